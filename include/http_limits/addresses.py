"""Whom an address belongs to."""

from __future__ import annotations

import ipaddress

_MAX_LENGTH = 200


def network(address: str) -> str:
    """The addresses that one client controls: an IPv4 address, or a whole IPv6 /64.

    A text that is no address stays as it is, cut to 200 characters.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_MAX_LENGTH]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped or ipaddress.ip_network((int(parsed), 64), strict=False))
