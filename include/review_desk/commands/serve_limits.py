"""Options of ``serve`` that bound what strangers can do: connections, names of the server, private pages."""

from __future__ import annotations

import argparse
import ipaddress
import re
import resource
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.flow_control import service_unavailable

from include.http_limits.connections import ConnectionLimits, Connections
from include.review_desk.errors import DeskSetupError
from include.review_desk.web.exposure import Exposure

if TYPE_CHECKING:
    from collections.abc import Callable

_DEFAULTS = ConnectionLimits()
# Files, database connections and sockets to S3 that the desk needs beside its clients' connections.
_OTHER_FILES = 256
_MIN_TOKEN_CHARACTERS = 16
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")


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
        The token cannot be read, is too short or serves for nothing, or a host's name is none.
    """
    if options.monitoring_token_file is not None and not options.private_pages:
        raise DeskSetupError(
            "--monitoring-token-file is for --private-pages, without which everybody sees the pages: add "
            "that, or leave the file out."
        )
    return Exposure(
        private_pages=options.private_pages,
        monitoring_token=_token(options.monitoring_token_file),
        allowed_hosts=_allowed_hosts(options),
    )


def connections(options: argparse.Namespace) -> Connections:
    """The connections of this server; the process may then open as many files as the system allows.

    Raises
    ------
    DeskSetupError
        More for one address than in all, or no address of a proxy.
    """
    per_address = _per_address(options)
    is_proxy = _proxies(options.behind_proxy)
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    most = options.max_connections
    if most_files != resource.RLIM_INFINITY:
        most = min(most, max(most_files - _OTHER_FILES, most_files // 2))
    limits = ConnectionLimits(connections=most, connections_per_address=min(most, per_address))
    return Connections(limits) if is_proxy is None else Connections(limits, is_proxy)


def _per_address(options: argparse.Namespace) -> int:
    given: int | None = options.max_connections_per_address
    if given is None:
        return _DEFAULTS.connections_per_address
    if given > options.max_connections:
        raise DeskSetupError(
            f"--max-connections-per-address {given} is more than --max-connections {options.max_connections} "
            "in all: lower the one or raise the other."
        )
    return given


def _proxies(text: str | None) -> Callable[[str], bool] | None:
    if not text:
        return None
    for part in text.split(","):
        if part.strip() != "*" and not _is_network(part.strip()):
            raise DeskSetupError(
                f"--behind-proxy {part.strip()[:200]!r} must be the proxy's address, like 10.0.0.7, or its "
                "network, like 172.16.0.0/12; several with commas."
            )
    # The same addresses whose X-Forwarded-For is believed, in all the forms that uvicorn reads.
    return ProxyHeadersMiddleware(service_unavailable, text).trusted_hosts.__contains__


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _allowed_hosts(options: argparse.Namespace) -> tuple[str, ...] | None:
    names = [_host_name(name) for name in options.allowed_host or ()]
    if "*" in names:
        return None
    if options.public_url:
        names.append((urlsplit(options.public_url).hostname or "").lower())
    elif not names and not _is_loopback(options.host):
        return None
    return tuple(names)


def _host_name(text: str) -> str:
    if text != "*" and not _is_network(text) and _HOST_NAME.fullmatch(text) is None:
        raise DeskSetupError(
            f"--allowed-host {text[:200]!r} must be a host name alone, like desk.example.org, without "
            "http://, port or path; '*' for any."
        )
    return text.lower()


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
