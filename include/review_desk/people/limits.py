"""How often a password may be guessed."""

from __future__ import annotations

import ipaddress
import threading

from include.review_desk.errors import TooManyAttempts

_MAX_KEYS = 20_000


class SignInLimiter:
    """Counts failed sign-ins by name and by address; in memory, since a restart takes longer than a guess.

    An attempt counts from its start, so that parallel attempts cannot slip through; ``succeeded`` takes it
    back.
    """

    def __init__(self, *, window_seconds: int = 300, per_name: int = 8, per_address: int = 60) -> None:
        self._window_ms = window_seconds * 1000
        self._limits = {"name": per_name, "address": per_address}
        self._attempts: dict[tuple[str, str], list[int]] = {}
        self._lock = threading.Lock()

    def begin(self, name: str, address: str, now_ms: int) -> None:
        """Count an attempt, or raise TooManyAttempts while there are too many failures in the window."""
        with self._lock:
            keys = self._keys(name, address)
            for key in keys:
                recent = self._recent(key, now_ms)
                if len(recent) >= self._limits[key[0]]:
                    wait = (recent[0] + self._window_ms - now_ms + 999) // 1000
                    raise TooManyAttempts(f"Too many failed sign-ins: try again in {wait} seconds.", wait)
            if len(self._attempts) > _MAX_KEYS:
                self._attempts = {
                    key: times for key in self._attempts if (times := self._recent(key, now_ms))
                }
            for key in keys:
                self._attempts.setdefault(key, []).append(now_ms)

    def succeeded(self, name: str, address: str, begun_ms: int) -> None:
        """Take the attempt back that began at ``begun_ms``."""
        with self._lock:
            for key in self._keys(name, address):
                times = self._attempts.get(key, [])
                if begun_ms in times:
                    times.remove(begun_ms)

    def _keys(self, name: str, address: str) -> list[tuple[str, str]]:
        # A name is limited per address, so that no one can lock a person out from another address.
        network = _network(address)
        return [("name", f"{network} {name[:200]}"), ("address", network)]

    def _recent(self, key: tuple[str, str], now_ms: int) -> list[int]:
        recent = [time for time in self._attempts.get(key, []) if time > now_ms - self._window_ms]
        if recent:
            self._attempts[key] = recent
        else:
            self._attempts.pop(key, None)
        return recent


def _network(address: str) -> str:
    """The addresses one person controls: an IPv4 address, or a whole IPv6 /64."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:200]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped or ipaddress.ip_network((int(parsed), 64), strict=False))
