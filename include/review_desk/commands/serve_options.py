"""The options of ``serve``, in groups, and what is made of those that need checking."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from include.review_desk.commands import listening, sign_in_options
from include.review_desk.commands.keys import add_secret_key_option
from include.review_desk.commands.options import (
    add_bucket_options,
    add_database_option,
    check_bucket_options,
)
from include.review_desk.commands.serve_limits import add_limit_options
from include.review_desk.errors import DeskSetupError

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Serve people and programs on one port: the reviewers' pages, Amazon A2I's API for boto3, and for operations
/healthz, /metrics (Prometheus) and /_status. Runs until SIGTERM or Ctrl-C; logs JSON lines without personal
data to standard error.
"""
EPILOG = """\
to begin with:
  python -m include.review_desk serve --database sqlite:////var/lib/desk/desk.db --bucket my-bucket
keeps its data in one file, reads images from my-bucket and writes answers there, with boto3's usual AWS
credentials (s3:GetObject and s3:PutObject on the bucket; s3:ListBucket lets the check at the start succeed).
People and keys for programs are added with the other commands: python -m include.review_desk --help.
The environment DESK_JOURNAL names a file, on another disk, that keeps what the next backup will have.
Behind a proxy that speaks HTTPS, add --public-url https://review.example.org.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """All options of ``serve``."""
    _add_addresses(parser.add_argument_group("addresses"))
    _add_storage(parser.add_argument_group("storage"))
    _add_callers(parser.add_argument_group("callers (programs that use the AWS API)"))
    _add_people(parser.add_argument_group("people"))
    add_limit_options(parser.add_argument_group("limits"))
    sign_in_options.add_oidc_options(parser.add_argument_group("single sign-on (OpenID Connect)"))
    _add_events(parser.add_argument_group("events (tell others that a human loop has ended)"))
    parser.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"], help="default info"
    )


def _add_addresses(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--port", type=listening.port, default=5800, help="port to listen on (default 5800)")
    group.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default 127.0.0.1; 0.0.0.0 for all, behind a proxy with HTTPS)",
    )
    group.add_argument(
        "--public-url", metavar="URL", help="where browsers reach the desk (default http://<host>:<port>)"
    )
    sign_in_options.add_proxy_option(group)


def _add_storage(group: argparse._ArgumentGroup) -> None:
    add_database_option(group)
    add_bucket_options(
        group,
        bucket="S3 bucket that images are read from and answers are written to; repeatable. The desk touches "
        "no other. Required unless --any-bucket is given",
        any_bucket="images and answers may lie in every bucket that the desk's AWS credentials open",
    )
    group.add_argument(
        "--s3-endpoint",
        metavar="URL",
        help="S3 server (default: Amazon S3). The desk signs with AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY from the environment if set, else with the first key of --credentials; for "
        "Amazon S3 with boto3's usual credentials",
    )
    group.add_argument(
        "--image-origin",
        action="append",
        metavar="ORIGIN",
        help="https://host[:port] that reviewers' browsers may load images from; repeatable (default: that "
        "of --s3-endpoint, else Amazon S3)",
    )


def _add_callers(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--credentials",
        type=Path,
        metavar="FILE",
        help="who may call the API besides the keys of create-key: a JSON file "
        '{"<access key id>": "<secret access key>", ...}',
    )
    add_secret_key_option(group)
    group.add_argument(
        "--region", default="us-east-1", help="Region in ARNs and signatures (default us-east-1)"
    )
    group.add_argument("--account-id", default="111122223333", help="account in ARNs (default 111122223333)")
    group.add_argument(
        "--role-arn",
        action="append",
        metavar="ARN",
        help="a role that flow definitions may name; repeatable (default: any role of the account)",
    )


def _add_people(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--session-hours", type=_hours, default=12, help="how long people stay signed in (default 12)"
    )
    group.add_argument(
        "--idle-hours",
        type=_hours,
        default=4,
        help="how long they stay signed in without doing anything (default 4)",
    )
    group.add_argument(
        "--correction-seconds",
        type=_seconds,
        default=30,
        metavar="SECONDS",
        help="how long an answer given on the page can be corrected; output.json waits as long (default 30)",
    )
    group.add_argument(
        "--audit-trail-days",
        type=_days,
        default=365,
        metavar="DAYS",
        help="how long the audit trail is kept, 1 to 36500; each removal of older days is a row of it "
        "(default 365)",
    )


def _add_events(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--event-webhook",
        metavar="URL",
        help="POST Amazon A2I's EventBridge event there, at least once, until the answer is 2xx",
    )
    group.add_argument(
        "--event-webhook-secret-file",
        type=Path,
        metavar="FILE",
        help="file with a secret; the header X-Review-Desk-Signature: sha256=<HMAC of the body> then proves "
        "the sender",
    )
    group.add_argument(
        "--event-queue-url",
        metavar="URL",
        help="send the same event to this SQS queue, at least once (needs sqs:SendMessage)",
    )
    group.add_argument(
        "--sqs-endpoint",
        metavar="URL",
        help="SQS server (default: the one that --event-queue-url names)",
    )


def _hours(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= 8760):
        raise ArgumentTypeError(f"{text!r} must be 1 to 8760 hours")
    return int(text)


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= 3600):
        raise ArgumentTypeError(f"{text!r} must be 0 to 3600 seconds")
    return int(text)


def buckets(options: argparse.Namespace) -> tuple[str, ...] | None:
    """The buckets that the desk may touch, None for all.

    Raises
    ------
    DeskSetupError
        Neither ``--bucket`` nor ``--any-bucket`` is given, or both are.
    """
    check_bucket_options(options)
    if not options.bucket and not options.any_bucket:
        raise DeskSetupError(
            "Name the S3 bucket that images are read from and answers are written to with --bucket, or give "
            "--any-bucket for every bucket that the desk's AWS credentials open."
        )
    return tuple(options.bucket) if options.bucket else None


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 36500):
        raise ArgumentTypeError(f"{text!r} must be 1 to 36500 days")
    return int(text)


def account_id(text: str) -> str:
    """An AWS account id; DeskSetupError unless it is 12 digits."""
    if len(text) != 12 or not text.isascii() or not text.isdigit():
        raise DeskSetupError(f"The account id {text!r} must be 12 digits.")
    return text


def public_url(text: str) -> str:
    """The address without a final slash; DeskSetupError unless it is http(s)://host[:port]."""
    parts = urlsplit(text)
    if (
        parts.scheme not in ("http", "https")
        or not parts.netloc
        or parts.path not in ("", "/")
        or parts.query
    ):
        raise DeskSetupError(f"The public URL {text!r} must be like http://host:port, without a path.")
    return text.rstrip("/")


def image_origins(options: argparse.Namespace) -> tuple[str, ...]:
    """Where browsers may load images from, for the frame's Content-Security-Policy.

    Raises
    ------
    DeskSetupError
        An origin has a path, or something that would change the meaning of the policy.
    """
    if options.s3_endpoint:
        _check_server("--s3-endpoint", options.s3_endpoint)
    if options.image_origin:
        return tuple(_origin(text, "--image-origin") for text in options.image_origin)
    if options.s3_endpoint:
        parts = urlsplit(options.s3_endpoint)
        return (_origin(f"{parts.scheme}://{parts.netloc}", "--s3-endpoint"),)
    partition = options.region.partition("-")[0]
    suffix = {"cn": "amazonaws.com.cn", "eusc": "amazonaws.eu"}.get(partition, "amazonaws.com")
    return (f"https://*.{suffix}",)


def webhook_secret(path: Path | None) -> bytes | None:
    """The secret in the file, without white space around it.

    Raises
    ------
    DeskSetupError
        The file cannot be read or is empty.
    """
    if path is None:
        return None
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise DeskSetupError(f"The secret file {path} cannot be read: {error.strerror}.") from None
    if not secret:
        raise DeskSetupError(f"The secret file {path} is empty: write a long random text into it.")
    return secret


def _check_server(option: str, text: str) -> None:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DeskSetupError(f"{option} {text!r} must be like http://host:port or https://host.")


def _origin(text: str, option: str) -> str:
    parts = urlsplit(text)
    harmless = text.isascii() and text.isprintable() and not set(text) & set(" ;,'\"@")
    if parts.scheme not in ("http", "https") or not parts.hostname or not harmless:
        raise DeskSetupError(f"{option} {text!r} must be like https://host or https://host:port.")
    if text.rstrip("/") != f"{parts.scheme}://{parts.netloc}":
        raise DeskSetupError(f"{option} {text!r} must be an origin, without a path.")
    return text.rstrip("/")
