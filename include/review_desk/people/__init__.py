"""People who review: accounts, teams, sessions."""
