"""Where the desk keeps things: its database and S3."""
