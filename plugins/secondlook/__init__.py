"""Second Look: nightly object detection with human review and incremental training.

The packages ``detection``, ``review`` and ``training`` are pure: bytes and records in, bytes and records
out, without Airflow, without boto3, without a clock. Hooks, operators, sensors and triggers put AWS and
Airflow around them.
"""
