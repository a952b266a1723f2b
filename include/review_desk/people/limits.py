"""How often a password or a code may be guessed."""

from __future__ import annotations

import ipaddress
import threading
from dataclasses import dataclass

from include.review_desk.errors import TooManyAttempts

_MAX_KEYS = 20_000
_PURGE_MS = 10_000
_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class SignInLimits:
    """Failures that are let pass before more of them have to wait.

    Parameters
    ----------
    window_seconds
        What ``per_name``, ``per_device``, ``per_address`` and ``reserve`` count within.
    per_name
        For one name from one address.
    per_device
        For one name on a device that this person has signed in with before.
    per_address
        From one address, whatever the names.
    reserve
        From one address beyond ``per_address``, for names without failures.
    free_of_name
        For one name in an hour from all addresses; each further one doubles the time until the next,
        from a second to ``longest_wait_seconds``.
    """

    window_seconds: int = 300
    per_name: int = 8
    per_device: int = 8
    per_address: int = 60
    reserve: int = 60
    free_of_name: int = 12
    longest_wait_seconds: int = 300


class SignInLimiter:
    """Counts failed sign-ins; in memory, since a restart takes longer than a guess.

    A device that a person has signed in with before (``devices``) is counted by itself: whatever others do,
    at the same address or with the same name, that person gets in there. All other attempts count for the
    name at its address, for the name everywhere, and for the address. An attempt counts from its start, so
    that parallel attempts cannot slip through; ``succeeded`` takes it back.
    """

    def __init__(self, limits: SignInLimits | None = None) -> None:
        self._limits = limits or SignInLimits()
        self._attempts: dict[tuple[str, str], list[int]] = {}
        self._purged_ms = 0
        self._lock = threading.Lock()

    def begin(self, name: str, address: str, now_ms: int, device: str | None = None) -> None:
        """Count an attempt, or raise TooManyAttempts while there are too many failures.

        ``device``: the one that the attempt comes from, if this person has signed in with it before.
        """
        with self._lock:
            keys = _keys(name, address, device)
            if device is not None:
                self._check_window(keys[0], self._limits.per_device, now_ms)
            else:
                self._check_stranger(keys, now_ms)
            self._purge(now_ms)
            for key in keys:
                self._attempts.setdefault(key, []).append(now_ms)

    def succeeded(self, name: str, address: str, begun_ms: int, device: str | None = None) -> None:
        """Take the attempt back that began at ``begun_ms``."""
        with self._lock:
            for key in _keys(name, address, device):
                times = self._attempts.get(key, [])
                if begun_ms in times:
                    times.remove(begun_ms)

    def _check_stranger(self, keys: list[tuple[str, str]], now_ms: int) -> None:
        limits = self._limits
        at_address, everywhere, address = keys
        self._check_window(at_address, limits.per_name, now_ms)
        failures = self._recent(everywhere, now_ms)
        if len(failures) >= limits.free_of_name:
            doublings = min(len(failures) - limits.free_of_name, 20)
            wait_seconds = min(2**doublings, limits.longest_wait_seconds)
            _refuse_until(failures[-1] + wait_seconds * 1000, now_ms)
        reserve = 0 if failures else limits.reserve
        self._check_window(address, limits.per_address + reserve, now_ms)

    def _check_window(self, key: tuple[str, str], limit: int, now_ms: int) -> None:
        recent = self._recent(key, now_ms)
        if len(recent) >= limit:
            # The oldest of those that are too many.
            _refuse_until(recent[-limit] + self._limits.window_seconds * 1000, now_ms)

    def _recent(self, key: tuple[str, str], now_ms: int) -> list[int]:
        window_ms = _HOUR_MS if key[0] == "everywhere" else self._limits.window_seconds * 1000
        recent = [time for time in self._attempts.get(key, []) if time > now_ms - window_ms]
        if recent:
            self._attempts[key] = recent
        else:
            self._attempts.pop(key, None)
        return recent

    def _purge(self, now_ms: int) -> None:
        if len(self._attempts) > _MAX_KEYS and now_ms - self._purged_ms >= _PURGE_MS:
            self._purged_ms = now_ms
            for key in list(self._attempts):
                self._recent(key, now_ms)


def _refuse_until(end_ms: int, now_ms: int) -> None:
    wait_seconds = (end_ms - now_ms + 999) // 1000
    if wait_seconds > 0:
        raise TooManyAttempts(f"Too many failed sign-ins: try again in {wait_seconds} seconds.", wait_seconds)


def _keys(name: str, address: str, device: str | None) -> list[tuple[str, str]]:
    short = name[:200]
    if device is not None:
        return [("device", f"{device} {short}")]
    network = _network(address)
    return [("name", f"{network} {short}"), ("everywhere", short), ("address", network)]


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
