"""What concerns the running Airflow task: links, notes, logs, the executor, rate limits."""
