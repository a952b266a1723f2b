"""Browsers that a person has signed in with before, known by a cookie (OWASP, Slow Down Online Guessing
Attacks with Device Cookies).

A device's token signs no one in. It only lets failed sign-ins be counted for this device instead of for its
address and for the name, so that guessing elsewhere does not lock its person out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

DEVICE_SECONDS = 180 * 24 * 3600

_MOST = 5
_TOKEN = re.compile(r"([A-Za-z0-9_\-]{16})\.(\d{1,12})\.([A-Za-z0-9_\-]{43})", re.ASCII)


class Devices:
    """Makes and reads the cookie: a token for each of the last people who signed in with this browser.

    Parameters
    ----------
    key
        What tokens are signed with; None: one that lives as long as the process.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def remember(self, cookie: str, name: str, now_ms: int) -> str:
        """The cookie after this person has signed in; a browser keeps a person's device for good."""
        others = [text for text in _tokens(cookie) if self._read(text, name, now_ms) is None]
        device, expires = secrets.token_urlsafe(12), str(now_ms // 1000 + DEVICE_SECONDS)
        mine = f"{self.known(cookie, name, now_ms) or device}.{expires}"
        return "~".join([f"{mine}.{self._mac(mine, name)}", *others][:_MOST])

    def known(self, cookie: str, name: str, now_ms: int) -> str | None:
        """This browser's device of the person, None if the person has not signed in with it lately."""
        found = (self._read(text, name, now_ms) for text in _tokens(cookie))
        return next((device for device in found if device is not None), None)

    def _read(self, text: str, name: str, now_ms: int) -> str | None:
        match = _TOKEN.fullmatch(text)
        if match is None or int(match[2]) * 1000 <= now_ms:
            return None
        expected = self._mac(f"{match[1]}.{match[2]}", name)
        return match[1] if hmac.compare_digest(expected, match[3]) else None

    def _mac(self, device: str, name: str) -> str:
        mac = hmac.new(self._key, f"{device} {name}".encode("utf-8", "replace"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def _tokens(cookie: str) -> list[str]:
    return [text for text in cookie.split("~")[:_MOST] if _TOKEN.fullmatch(text)]
