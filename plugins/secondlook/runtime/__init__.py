"""What only matters while a task runs in Airflow: links, notes, the log, the executor, the pace."""
