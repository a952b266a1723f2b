"""Amazon SageMaker on this machine: models, endpoints, training and transform jobs as ordinary processes.

One process answers the SageMaker, SageMaker Runtime and CloudWatch Logs operations that this project and
the amazon provider of Airflow use, over AWS's own protocol (:mod:`include.aws_protocol`). Training images
are mapped to commands by a file; each job and each endpoint variant runs that command under SageMaker's
container contract, with ``SAGEMAKER_BASE_DIR`` in place of ``/opt/ml``.

What differs from AWS: one process replaces any number and type of instances, there is no isolation between
jobs, and data is in whatever S3 the server is configured with.
"""
