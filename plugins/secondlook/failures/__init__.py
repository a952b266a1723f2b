"""What can go wrong, why, and the one sentence that says it."""
