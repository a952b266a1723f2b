"""The Review Desk: a human review service that speaks Amazon Augmented AI's API.

Unmodified boto3 code, flow definitions and worker templates written for Amazon A2I run against it; the
client's endpoint URL alone decides which of the two answers. ``python -m include.review_desk serve --help``
starts it.

Rooms, each of which imports only those below it:

- ``app``, ``background``, ``commands``: put the desk together and run it
- ``aws_api``, ``web``: the AWS API; the portal and everything else that speaks HTTP
- ``loops``, ``work``, ``people``, ``events``: the domain, that is human loops, people's tasks, accounts and
  teams, and telling others that a loop has ended
- ``worker_templates``, ``storage``: rendering templates; database and S3
"""
