"""``python -m include.review_desk``: start the desk, add people and keys."""

from __future__ import annotations

import argparse
import io
import sqlite3
import sys
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from include.review_desk.audit_trail.actors import act_as, command_line
from include.review_desk.commands import (
    audit_trail,
    backup,
    faults,
    keys,
    leaving,
    people,
    second_factor,
    serve,
)
from include.review_desk.commands.options import check_database_option
from include.review_desk.errors import DeskError

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """\
to begin with:
  export DESK_DATABASE=sqlite:////var/lib/desk/desk.db   # or --database with each command
  1. a key for the program that asks for reviews (shown once):
     python -m include.review_desk create-key --client night-pipeline --operations admin \\
         --team night-team --bucket my-bucket
  2. people, by a link that they open in their browser, or with a password that you choose:
     python -m include.review_desk invite --team night-team --lead \\
         --public-url https://review.example.org
     python -m include.review_desk add-worker --team night-team --name reviewer-1
  3. the desk itself; 1 and 2 work while it runs, too:
     python -m include.review_desk serve --bucket my-bucket \\
         --public-url https://review.example.org

boto3 then speaks to it as to Amazon A2I, with the key of step 1 in AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY of the program that asks; serve reads the same names for S3, in an environment of
its own. What to ask, once:
  import boto3, json
  desk = {"endpoint_url": "http://127.0.0.1:5800", "region_name": "us-east-1"}
  sagemaker, a2i = boto3.client("sagemaker", **desk), boto3.client("sagemaker-a2i-runtime", **desk)
  team = sagemaker.describe_workteam(WorkteamName="night-team")["Workteam"]["WorkteamArn"]
  template = open("plugins/secondlook/worker_template/bounding_box.liquid.html").read()
  ui = sagemaker.create_human_task_ui(HumanTaskUiName="boxes", UiTemplate={"Content": template})
  flow = sagemaker.create_flow_definition(
      FlowDefinitionName="night-review",
      RoleArn="arn:aws:iam::111122223333:role/any",  # not assumed
      HumanLoopConfig={
          "WorkteamArn": team, "HumanTaskUiArn": ui["HumanTaskUiArn"], "TaskCount": 1,
          "TaskTitle": "Check the boxes", "TaskDescription": "Correct, add or remove boxes.",
      },
      OutputConfig={"S3OutputPath": "s3://my-bucket/reviews"},
  )
and for each image, which then waits on the team's page:
  image = {"taskObject": "s3://my-bucket/images/1.jpg", "labels": ["RBC", "WBC"], "initialValue": []}
  a2i.start_human_loop(
      HumanLoopName="image-1", FlowDefinitionArn=flow["FlowDefinitionArn"],
      HumanLoopInput={"InputContent": json.dumps(image)},
  )
The answers are at describe_human_loop(...)["HumanLoopOutput"]["OutputS3Uri"] when the status says Completed.
People leave by remove-worker, keys by revoke-key; audit-trail shows who did what. COMMAND --help tells each
command's options.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal cannot show must not end the command.
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        code, problem = _run(options), None
    except DeskError as error:
        code, problem = 2, str(error)
    except OSError as error:
        code, problem = 2, faults.of_system(error)
    except (DBAPIError, sqlite3.Error) as error:
        code, problem = 2, faults.of_database(error, options.database)
    except KeyboardInterrupt:
        code, problem = faults.INTERRUPTED, "Stopped."
    unwritten = faults.write_out()
    for sentence in filter(None, (problem, unwritten)):
        print(f"review_desk: {sentence}", file=sys.stderr)
    return code or (2 if unwritten else 0)


def _run(options: argparse.Namespace) -> int:
    check_database_option(options)
    with act_as(command_line()):
        return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m include.review_desk",
        description="The Review Desk: a human review service that speaks Amazon Augmented AI's API.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (serve, people, leaving, second_factor, keys, audit_trail, backup):
        module.add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
