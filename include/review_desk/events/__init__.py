"""Notifying others that a human loop has ended: Amazon A2I's EventBridge event, to a webhook and a queue."""
