"""SageMaker jobs that several runs share, and whose turn it is to train."""
