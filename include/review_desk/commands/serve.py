"""``serve``: start the desk and stay."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import threading
from typing import TYPE_CHECKING

import uvicorn

from include.aws_protocol.credentials import CredentialsFileError, read_credentials
from include.http_limits.protocol import limited
from include.http_limits.requests import LimitedRequests, RequestLimits
from include.review_desk.app import create_app
from include.review_desk.clock import system_clock
from include.review_desk.commands import serve_limits, serve_options, sign_in_options
from include.review_desk.commands.keys import desk_key
from include.review_desk.commands.listening import bound
from include.review_desk.context import Desk, DeskConfig
from include.review_desk.errors import DeskSetupError
from include.review_desk.events.destinations import Queue, Webhook, queue_region
from include.review_desk.logs import configure_logging
from include.review_desk.storage.bucket_check import check_buckets
from include.review_desk.storage.links import SteadyLinks
from include.review_desk.storage.object_store import S3Store
from include.review_desk.storage.only_server import only_server
from include.review_desk.storage.opening import open_database
from include.review_desk.worker_templates.links import presigner
from include.review_desk.worker_templates.pool import RenderingPool
from include.review_desk.worker_templates.rendering import Renderer

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from include.review_desk.events.destinations import Destination

logger = logging.getLogger(__name__)


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``serve`` to the command line."""
    serve = commands.add_parser(
        "serve",
        help="start the desk and stay until SIGTERM or Ctrl-C",
        description=serve_options.DESCRIPTION,
        epilog=serve_options.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.set_defaults(run=_serve)
    serve_options.add_options(serve)


def _serve(options: argparse.Namespace) -> int:
    """All that the options say is checked first, then the port is taken, and only then the desk begins."""
    configure_logging(options.log_level)
    credentials = _credentials(options.credentials) if options.credentials else {}
    config = DeskConfig(
        region=options.region,
        account_id=serve_options.account_id(options.account_id),
        public_url=serve_options.public_url(options.public_url or f"http://{options.host}:{options.port}"),
        role_arns=tuple(options.role_arn) if options.role_arn else None,
        session_seconds=options.session_hours * 3600,
        idle_seconds=options.idle_hours * 3600,
        correction_seconds=options.correction_seconds,
        audit_trail_days=options.audit_trail_days,
        buckets=serve_options.buckets(options),
        image_origins=serve_options.image_origins(options),
    )
    store = _store(options, credentials)
    single_sign_on, exposure = sign_in_options.provider(options), serve_limits.exposure(options)
    connections, destinations = serve_limits.connections(options), _destinations(options, credentials)
    with bound(options.host, options.port) as sockets:
        database = open_database(options.database)
        own_key = desk_key(database, options.secret_key)
        keys = sign_in_options.api_keys(own_key, database, credentials)
        pool = RenderingPool()
        desk = Desk(
            config=config,
            database=database,
            clock=system_clock,
            renderer=Renderer(SteadyLinks(presigner(store, config.buckets)), pool),
            store=store,
            destinations=destinations,
            key=own_key,
            devices=sign_in_options.devices(own_key),
        )
        with contextlib.closing(pool), only_server(database):
            # In a thread: an S3 that does not answer must not delay the start.
            threading.Thread(target=check_buckets, args=(store, config.buckets or ()), daemon=True).start()
            server = uvicorn.Config(
                LimitedRequests(
                    create_app(desk, keys, single_sign_on, exposure),
                    RequestLimits(),
                ),
                host=options.host,
                port=options.port,
                log_config=None,
                http=limited(connections),
                # A connection that changes its protocol has no limits, and nothing here speaks WebSocket.
                ws="none",
                access_log=False,
                server_header=False,
                # Without this option uvicorn would trust any program on this machine about addresses.
                proxy_headers=bool(options.behind_proxy),
                forwarded_allow_ips=options.behind_proxy,
                timeout_graceful_shutdown=5,
            )
            # Ctrl-C is a normal way to stop.
            with contextlib.suppress(KeyboardInterrupt):
                _Server(server).run(sockets)
    return 0


class _Server(uvicorn.Server):
    """Says where it runs; uvicorn does not when it is given its sockets."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            logger.info("The Review Desk runs on http://%s:%d", self.config.host, self.config.port)


def _credentials(path: Path) -> dict[str, str]:
    try:
        return read_credentials(path)
    except CredentialsFileError as error:
        raise DeskSetupError(str(error)) from None


def _store(options: argparse.Namespace, credentials: dict[str, str]) -> S3Store:
    keys = _own_keys(credentials) if options.s3_endpoint else {}
    return S3Store(region=options.region, endpoint_url=options.s3_endpoint, **keys)


def _destinations(options: argparse.Namespace, credentials: dict[str, str]) -> tuple[Destination, ...]:
    destinations: list[Destination] = []
    if options.event_webhook:
        secret = serve_options.webhook_secret(options.event_webhook_secret_file)
        destinations.append(Webhook(options.event_webhook, secret))
    if options.event_queue_url:
        on_aws = queue_region(options.event_queue_url) is not None and not options.sqs_endpoint
        destinations.append(
            Queue(
                options.event_queue_url,
                region=options.region,
                endpoint_url=options.sqs_endpoint,
                **({} if on_aws else _own_keys(credentials)),
            )
        )
    return tuple(destinations)


def _own_keys(credentials: dict[str, str]) -> dict[str, str]:
    """Keys to sign with at servers other than Amazon's; empty: boto3's usual credentials."""
    if os.environ.get("AWS_ACCESS_KEY_ID") or not credentials:
        return {}
    access_key_id, secret_access_key = next(iter(credentials.items()))
    return {"access_key_id": access_key_id, "secret_access_key": secret_access_key}
