"""A SageMaker job that several runs share: who uses it, and who stops it."""
