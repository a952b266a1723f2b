"""The Review Desk: a human review service that speaks Amazon Augmented AI's API.

Unmodified boto3 code, flow definitions and worker templates written for Amazon A2I run against it; which of
the two answers is a matter of the client's endpoint URL. ``python -m include.review_desk serve --help``
starts it.
"""
