"""The documents of a deployment in S3, typed."""
