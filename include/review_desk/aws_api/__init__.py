"""What the API does: one module for each kind of resource of Amazon A2I and SageMaker."""
