"""The operators of a night, and those that build the first model and clean up."""
