"""Who acts at present: what ``record`` writes as the actor, unless it is told a person.

The way in to the desk says it once: the web gateway the visitor's address, the AWS API the key that signed,
the command line the account that runs it. It follows the request into its threads (contextvars). The desk's
background threads are told nothing, and so are the desk itself.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import pwd
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PERSON, VISITOR, KEY, COMMAND, DESK = "person", "visitor", "key", "command", "desk"
KINDS = (PERSON, VISITOR, KEY, COMMAND, DESK)


@dataclass(frozen=True)
class Actor:
    """``name``: the access key id, or the operating system's account. ``address``: an IP address."""

    kind: str
    name: str | None = None
    address: str | None = None


_DESK = Actor(DESK)
_acting: ContextVar[Actor] = ContextVar("acting", default=_DESK)


def acting() -> Actor:
    """Who acts at present."""
    return _acting.get()


@contextlib.contextmanager
def act_as(actor: Actor) -> Iterator[None]:
    """Let ``actor`` have done what is recorded within."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


def visitor(host: str | None) -> Actor:
    """Someone at this address; a text that is no address (a proxy passes on what it was sent) is left out."""
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return Actor(VISITOR)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return Actor(VISITOR, address=str(mapped or address))


def signed_with(access_key_id: str) -> Actor:
    """A program with this key, at the visitor's address."""
    return Actor(KEY, access_key_id, acting().address)


def command_line() -> Actor:
    """The operating system's account that runs this process; what its environment claims does not count."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # As in a container that runs under a number.
        name = f"uid {os.getuid()}"
    return Actor(COMMAND, name)
