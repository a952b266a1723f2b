"""``python -m include.review_desk``: start the desk, add people and keys."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from include.review_desk.commands import keys, people, serve
from include.review_desk.errors import DeskError

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """\
to begin with:
  export DATABASE=sqlite:////var/lib/desk/desk.db
  1. a key for the program that asks for reviews (shown once):
     python -m include.review_desk create-key --database $DATABASE --client night-pipeline
  2. people, by a link that they open in their browser, or with a password that you choose:
     python -m include.review_desk invite --database $DATABASE --team night-team --lead \\
         --public-url https://review.example.org
     python -m include.review_desk add-worker --database $DATABASE --team night-team --name Ada
  3. the desk itself; 1 and 2 work while it runs, too:
     python -m include.review_desk serve --database $DATABASE --bucket my-bucket \\
         --public-url https://review.example.org

boto3 then speaks to it as to Amazon A2I, with the key of step 1 in AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY:
  boto3.client("sagemaker-a2i-runtime", endpoint_url="http://127.0.0.1:5800", region_name="us-east-1")
and the team's ARN is arn:aws:sagemaker:<region>:<account>:workteam/private-crowd/<team>.
People leave by remove-worker, keys by revoke-key. COMMAND --help tells each command's options.
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
    for module in (serve, people, keys):
        module.add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
