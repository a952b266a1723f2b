"""``python -m include.review_desk``: start the desk, add people."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from include.review_desk.commands import people, serve
from include.review_desk.errors import DeskError

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """\
examples:
  printf '%%s' "$PASSWORD" | python -m include.review_desk add-worker --database
  sqlite:////var/lib/desk/desk.db \\
      --team night-team --name Ada --password-stdin
  python -m include.review_desk serve --port 5800 --database sqlite:////var/lib/desk/desk.db \\
      --credentials /etc/desk/keys.json --s3-endpoint http://127.0.0.1:4566

boto3 then speaks to it as to Amazon A2I:
  boto3.client("sagemaker-a2i-runtime", endpoint_url="http://127.0.0.1:5800", region_name="us-east-1", ...)
and the team's ARN is arn:aws:sagemaker:<region>:<account>:workteam/private-crowd/<team>.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except DeskError as error:
        print(f"review_desk: {error.message}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m include.review_desk",
        description="The Review Desk: a human review service that speaks Amazon Augmented AI's API.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (serve, people):
        module.add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
