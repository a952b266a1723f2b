"""The demonstration: an archive drawn from a seed, simulated reviewers, and three nights through Airflow."""
