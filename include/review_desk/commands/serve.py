"""``serve``: start the desk and stay."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import uvicorn

from include.review_desk.app import create_app
from include.review_desk.clock import system_clock
from include.review_desk.commands.options import add_database_option
from include.review_desk.context import Desk, DeskConfig
from include.review_desk.errors import DeskSetupError
from include.review_desk.logs import configure_logging
from include.review_desk.storage.database import open_database
from include.review_desk.storage.object_store import S3Store
from include.review_desk.storage.only_server import only_server
from include.review_desk.worker_templates.rendering import Renderer

if TYPE_CHECKING:
    import argparse


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``serve`` to the command line."""
    serve = commands.add_parser(
        "serve",
        help="start the desk and stay until SIGTERM or Ctrl-C",
        description="Serve the A2I API, the workers' API and the status pages on one port.",
    )
    serve.set_defaults(run=_serve)
    serve.add_argument("--port", type=int, default=5800, help="port to listen on (default 5800)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    add_database_option(serve)
    serve.add_argument(
        "--credentials",
        type=Path,
        required=True,
        metavar="FILE",
        help='who may call the API: a JSON file {"<access key id>": "<secret access key>", ...}',
    )
    serve.add_argument(
        "--s3-endpoint",
        metavar="URL",
        help="S3 server that holds images and takes output.json (default: Amazon S3). The desk signs with "
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY from the environment if set, else with the first key of "
        "--credentials; for Amazon S3 with boto3's usual credentials",
    )
    serve.add_argument(
        "--region", default="us-east-1", help="Region in ARNs and signatures (default us-east-1)"
    )
    serve.add_argument("--account-id", default="111122223333", help="account in ARNs (default 111122223333)")
    serve.add_argument(
        "--public-url", metavar="URL", help="where browsers reach the desk (default http://<host>:<port>)"
    )
    serve.add_argument(
        "--role-arn",
        action="append",
        metavar="ARN",
        help="a role that flow definitions may name; repeatable (default: any role of the account)",
    )
    serve.add_argument(
        "--session-hours", type=int, default=12, help="how long workers stay signed in (default 12)"
    )
    serve.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"], help="default info"
    )


def _serve(options: argparse.Namespace) -> int:
    configure_logging(options.log_level)
    credentials = read_credentials(options.credentials)
    config = DeskConfig(
        region=options.region,
        account_id=_account_id(options.account_id),
        public_url=_public_url(options.public_url or f"http://{options.host}:{options.port}"),
        role_arns=tuple(options.role_arn) if options.role_arn else None,
        session_seconds=options.session_hours * 3600,
    )
    store = _store(options, credentials)
    database = open_database(options.database)
    desk = Desk(
        config=config,
        database=database,
        clock=system_clock,
        renderer=Renderer(store.presign_get),
        store=store,
    )
    with only_server(database):
        server = uvicorn.Config(
            create_app(desk, credentials),
            host=options.host,
            port=options.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        uvicorn.Server(server).run()
    return 0


def read_credentials(path: Path) -> dict[str, str]:
    """Access keys and secrets from a JSON file.

    Raises
    ------
    DeskSetupError
        The file cannot be read or does not hold what it should.
    """
    try:
        credentials = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DeskSetupError(f"The credentials file {path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise DeskSetupError(f"The credentials file {path} is not JSON.") from None
    texts = isinstance(credentials, dict) and all(
        isinstance(value, str) and key and value for key, value in credentials.items()
    )
    if not texts or not credentials:
        raise DeskSetupError(
            f'The credentials file {path} must be like {{"<access key id>": "<secret access key>"}}.'
        )
    return dict(credentials)


def _store(options: argparse.Namespace, credentials: dict[str, str]) -> S3Store:
    if not options.s3_endpoint or os.environ.get("AWS_ACCESS_KEY_ID"):
        return S3Store(region=options.region, endpoint_url=options.s3_endpoint)
    access_key_id, secret_access_key = next(iter(credentials.items()))
    return S3Store(
        region=options.region,
        endpoint_url=options.s3_endpoint,
        access_key_id=access_key_id,
        secret_access_key=secret_access_key,
    )


def _account_id(text: str) -> str:
    if len(text) != 12 or not text.isascii() or not text.isdigit():
        raise DeskSetupError(f"The account id {text!r} must be 12 digits.")
    return text


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if (
        parts.scheme not in ("http", "https")
        or not parts.netloc
        or parts.path not in ("", "/")
        or parts.query
    ):
        raise DeskSetupError(f"The public URL {text!r} must be like http://host:port, without a path.")
    return text.rstrip("/")
