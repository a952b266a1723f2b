"""The operations of Amazon A2I and SageMaker that the desk answers: a module for each kind of resource."""
