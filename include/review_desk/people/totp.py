"""Time-based one-time passwords (RFC 6238) as authenticator apps make them: SHA-1, six digits, 30 seconds."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import struct
from urllib.parse import quote

STEP_SECONDS = 30
# Clocks of phones go wrong: the steps before and after the present one count, too (RFC 6238, section 5.2).
_DRIFT_STEPS = 1
_SECRET_BYTES = 20
_CODE = re.compile(r"[0-9]{6}", re.ASCII)


def new_secret() -> bytes:
    """160 random bits, as RFC 4226 advises."""
    return secrets.token_bytes(_SECRET_BYTES)


def is_code(text: str) -> bool:
    """Whether the text has the form of a code."""
    return _CODE.fullmatch(text) is not None


def code_at(secret: bytes, step: int) -> str:
    """The code of one time step (RFC 4226, section 5.3)."""
    digest = hmac.new(secret, struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number: int = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFF_FFFF
    return f"{number % 1_000_000:06}"


def step_of(secret: bytes, code: str, now_ms: int) -> int | None:
    """The time step that the code belongs to, if it is one of those that count at present."""
    present = now_ms // 1000 // STEP_SECONDS
    steps = range(max(0, present - _DRIFT_STEPS), present + _DRIFT_STEPS + 1)
    # All of them, so that the time taken tells nothing.
    matches = [step for step in steps if hmac.compare_digest(code_at(secret, step), code)]
    return matches[-1] if matches else None


def in_base32(secret: bytes) -> str:
    """The secret as people type it into an app."""
    return base64.b32encode(secret).decode()


def app_link(secret: bytes, name: str, host: str) -> str:
    """The link by which a phone's app takes the secret (Google Authenticator's Key Uri Format)."""
    # Colons separate its parts.
    issuer = quote("Review Desk " + host.replace(":", " "), safe="")
    account = quote(name.replace(":", " "), safe="")
    return f"otpauth://totp/{issuer}:{account}?secret={in_base32(secret)}&issuer={issuer}"
