"""Options of ``serve`` that bound what strangers can do: connections, names of the server, private pages."""

from __future__ import annotations

import argparse
import ipaddress
import resource
from pathlib import Path
from urllib.parse import urlsplit

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.flow_control import service_unavailable

from include.http_limits.connections import ConnectionLimits, Connections
from include.review_desk.errors import DeskSetupError
from include.review_desk.web.exposure import Exposure

_DEFAULTS = ConnectionLimits()
# Files, database connections and sockets to S3 that the desk needs beside its clients' connections.
_OTHER_FILES = 256
_MIN_TOKEN_CHARACTERS = 16


def add_limit_options(group: argparse._ArgumentGroup) -> None:
    """``--max-connections`` and what is shown to whom."""
    group.add_argument(
        "--max-connections",
        type=_count,
        default=_DEFAULTS.connections,
        metavar="NUMBER",
        help="connections that may be open at once; beyond, the one that has waited longest without a whole "
        f"request is closed (default {_DEFAULTS.connections}, fewer where the system allows fewer files)",
    )
    group.add_argument(
        "--max-connections-per-address",
        type=_count,
        default=_DEFAULTS.connections_per_address,
        metavar="NUMBER",
        help="the same for one address, unless it is that of --behind-proxy; a hundred browsers behind one "
        f"address hold 600 (default {_DEFAULTS.connections_per_address})",
    )
    group.add_argument(
        "--allowed-host",
        action="append",
        metavar="NAME",
        help="host name that the desk answers to, beside that of --public-url, addresses, and names without "
        "dots; repeatable; '*' for any (default: any when it listens beyond this machine without "
        "--public-url). Calls signed with a key and /healthz may come by any name",
    )
    group.add_argument(
        "--private-pages",
        action="store_true",
        help="show /flows and /loops to people who are signed in only, and /metrics and /_status to them and "
        "to programs with the monitoring token (default: to everybody who reaches the port)",
    )
    group.add_argument(
        "--monitoring-token-file",
        type=Path,
        metavar="FILE",
        help="file with a token of 16 characters or more, which Prometheus sends as Authorization: Bearer; "
        "for --private-pages",
    )


def exposure(options: argparse.Namespace) -> Exposure:
    """What is shown to whom, and by which names.

    Raises
    ------
    DeskSetupError
        The token cannot be read or is too short.
    """
    return Exposure(
        private_pages=options.private_pages,
        monitoring_token=_token(options.monitoring_token_file),
        allowed_hosts=_allowed_hosts(options),
    )


def connections(options: argparse.Namespace) -> Connections:
    """The connections of this server; the process may then open as many files as the system allows."""
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    most = options.max_connections
    if most_files != resource.RLIM_INFINITY:
        most = min(most, max(most_files - _OTHER_FILES, most_files // 2))
    limits = ConnectionLimits(
        connections=most, connections_per_address=min(most, options.max_connections_per_address)
    )
    if not options.behind_proxy:
        return Connections(limits)
    # The same addresses whose X-Forwarded-For is believed, in all the forms that uvicorn reads.
    proxies = ProxyHeadersMiddleware(service_unavailable, options.behind_proxy).trusted_hosts
    return Connections(limits, proxies.__contains__)


def _allowed_hosts(options: argparse.Namespace) -> tuple[str, ...] | None:
    names = [name.lower() for name in options.allowed_host or ()]
    if "*" in names:
        return None
    if options.public_url:
        names.append((urlsplit(options.public_url).hostname or "").lower())
    elif not names and not _is_loopback(options.host):
        return None
    return tuple(names)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        token = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DeskSetupError(f"The monitoring token file {path} cannot be read: {error}.") from None
    if len(token) < _MIN_TOKEN_CHARACTERS:
        raise DeskSetupError(
            f"The monitoring token in {path} has fewer than {_MIN_TOKEN_CHARACTERS} characters: write a long "
            "random text into it."
        )
    return token


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number from 1 to 999999")
    return int(text)
