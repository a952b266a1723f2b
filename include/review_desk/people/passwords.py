"""Passwords: the rules they must keep, and Argon2id hashes of them (parameters as OWASP advises)."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from include.review_desk.errors import InvalidRequest

MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_CHARACTERS = 1024

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Each hash takes 19 MiB and a core for a moment: many sign-ins at once wait their turn. In threads of
# their own, since the allocator keeps what a thread once used: in the server's forty it would add up.
_hashing = ThreadPoolExecutor(2, thread_name_prefix="password")
# Verified when there is no such account, so that the response takes as long as for a known one.
_nobody = _hasher.hash(secrets.token_hex(16))


def check_password(password: str) -> None:
    """Raise InvalidRequest when the password is too short, too long or not text."""
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise InvalidRequest(
            f"The password must have {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters."
        )
    if _encoded(password) is None:
        raise InvalidRequest("The password holds characters that are not Unicode text.")


def hash_password(password: str) -> str:
    """The hash of a password that passed ``check_password``, as the database stores it."""
    return _hashing.submit(_hasher.hash, password).result()


def password_fits(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one of this hash; takes equally long without a hash, and is then False."""
    given = _encoded(password[: MAX_PASSWORD_CHARACTERS + 1])
    try:
        fits = _hashing.submit(_hasher.verify, password_hash or _nobody, given or b"").result()
    except (VerificationError, InvalidHashError):
        return False
    return fits and password_hash is not None and given is not None


def _encoded(password: str) -> bytes | None:
    try:
        return password.encode("utf-8")
    except UnicodeEncodeError:
        return None
