"""Failures: exceptions, their causes, and the one sentence that explains each."""
