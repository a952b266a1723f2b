"""The port of ``serve``: taken before anything else begins, so that a port in use stops nothing half-way."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING

from include.review_desk.errors import DeskSetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 65_535


def port(text: str) -> int:
    """``--port``."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= _MOST):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number from 1 to {_MOST}")
    return int(text)


@contextlib.contextmanager
def bound(host: str, number: int) -> Iterator[list[socket.socket]]:
    """Sockets on all addresses of ``host``; nothing can connect before the server listens.

    Raises
    ------
    DeskSetupError
        The host has no address here, or the port cannot be had.
    """
    with contextlib.ExitStack() as opened:
        yield [
            opened.enter_context(_bind(family, address, host, number))
            for family, address in _addresses(host, number)
        ]


def _addresses(host: str, number: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(host or None, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise DeskSetupError(
            f"The host {host!r} is not known here: give --host an address of this machine, such as 127.0.0.1."
        ) from None
    # A name may be listed twice for one address.
    return list(dict.fromkeys((family, address) for family, _type, _protocol, _name, address in found))  # type: ignore[misc]


def _bind(family: socket.AddressFamily, address: tuple[str, int], host: str, number: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A desk that ended a moment ago must not keep its port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise DeskSetupError(_refusal(error, host, number)) from None
    return listener


def _refusal(error: OSError, host: str, number: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"The port {number} of {host} is taken by another program: end that one, or give another number "
            "with --port."
        )
    if error.errno == errno.EACCES:
        return f"This user may not listen on the port {number}: give a number from 1024 on with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: give one that is with --host, such as 127.0.0.1."
    return f"The port {number} of {host} cannot be had: {os.strerror(error.errno or 0)}."
