"""The reference of the Review Desk's HTTP interfaces, from what its modules say and serve."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from markdown_text import code

if TYPE_CHECKING:
    from pathlib import Path

INTRODUCTION = """\
# The Review Desk's API

One port serves programs, people and monitoring.

## For boto3

The Desk answers these operations as Amazon A2I and SageMaker do, at one address for both services.
Requests are signed with Signature Version 4 and an access key of the Desk (`create-key`). Where a behavior
differs from Amazon's, [the comparison](review-desk-vs-a2i.md) says so.
"""
WORKER = """\
## For reviewers' programs

The portal's own pages use this API, and so may a program that reviews, such as the demo's simulated
reviewers. It is described as in the source, `include/review_desk/web/worker_api.py`:
"""
OTHERS = """\
## For monitoring

| path | answer |
| --- | --- |
| `/healthz` | 200 if the database answers and every background thread runs, otherwise 503 |
| `/metrics` | counters for Prometheus, without names of people |
| `/_status` | counts as JSON, and why S3 refuses an output |

These need no sign-in, unless `serve --private-pages` says so; see
[Pages without sign-in](review-desk-vs-a2i.md#pages-without-sign-in).
"""


def page(_: Path) -> str:
    """Return the page."""
    from include.review_desk.aws_api import handlers
    from include.review_desk.web import worker_api

    services = {handlers.RUNTIME: handlers._RUNTIME, handlers.CONTROL: handlers._CONTROL}
    operations = [
        f"- {code(name)}: {', '.join(map(code, sorted(known)))}" for name, known in services.items()
    ]
    described = f"```text\n{inspect.getdoc(worker_api)}\n```"
    return "\n\n".join([INTRODUCTION, "\n".join(operations), WORKER, described, OTHERS]) + "\n"
