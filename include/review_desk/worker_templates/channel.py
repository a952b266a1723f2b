"""Messages between the desk and a process that renders: JSON, each with its length before it."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

_LENGTH = struct.Struct(">Q")
_AT_ONCE = 1_048_576


def send(channel: socket.socket, message: dict[str, Any]) -> None:
    """Send a message. Raises OSError when the other side is gone or reads nothing for too long."""
    # What a template prints may hold half a surrogate pair.
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    channel.sendall(_LENGTH.pack(len(body)) + body)


def receive(channel: socket.socket) -> dict[str, Any]:
    """Wait for a message. Raises EOFError when the other side is gone, TimeoutError as the socket is set."""
    (length,) = _LENGTH.unpack(_read(channel, _LENGTH.size))
    message: dict[str, Any] = json.loads(_read(channel, length).decode("utf-8", "surrogatepass"))
    return message


def _read(channel: socket.socket, size: int) -> bytes:
    chunks = []
    while size:
        chunk = channel.recv(min(size, _AT_ONCE))
        if not chunk:
            raise EOFError("The other side of the channel is gone.")
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)
