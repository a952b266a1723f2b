"""Addresses in S3: the form of buckets, prefixes, nights and path parts, and taking keys apart."""

from __future__ import annotations

import re
from datetime import date
from itertools import takewhile
from typing import TYPE_CHECKING

from include.formats import s3_uri
from secondlook.failures.exceptions import NightError, S3UriError

if TYPE_CHECKING:
    from collections.abc import Sequence

_BUCKET = re.compile(s3_uri.BUCKET)
# A prefix is part of a tag: letters, digits, spaces and _.:/=+-@, 256 in all (SageMaker API Reference, Tag).
_PREFIX = re.compile(r"([A-Za-z0-9_.=@+-]+(/[A-Za-z0-9_.=@+-]+)*)?")
_MAX_PREFIX_LENGTH = 180
_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key; the key may be empty, may hold any character.

    Raises
    ------
    S3UriError
        When ``uri`` has another form.
    """
    try:
        return s3_uri.split_s3_uri(uri)
    except ValueError as error:
        raise S3UriError(str(error)) from None


def check_bucket(bucket: str) -> str:
    """Return ``bucket`` if it is a name that S3 allows. Raises S3UriError otherwise."""
    if not _BUCKET.fullmatch(bucket):
        raise S3UriError(f"The bucket name {bucket!r} is not one that S3 allows; correct the setting bucket.")
    return bucket


def check_prefix(prefix: str) -> str:
    """Return ``prefix`` if keys and tags can be made of it; empty is the whole bucket.

    Raises
    ------
    S3UriError
        It has a part ``.`` or ``..``, a character that a tag does not take, or more than 180 characters.
    """
    if {".", ".."} & set(prefix.split("/")):
        # S3 takes such keys, but clients and services that join them to paths leave the folder.
        raise S3UriError(f"The prefix {prefix!r} has a part '.' or '..'; name folders only.")
    if not _PREFIX.fullmatch(prefix):
        raise S3UriError(
            f"The prefix {prefix!r} cannot be used, because it becomes the tag of every resource: write "
            "folder names of letters, digits and _ . = @ + -, separated by single slashes."
        )
    if len(prefix) > _MAX_PREFIX_LENGTH:
        raise S3UriError(
            f"The prefix {prefix!r} has {len(prefix)} characters; use {_MAX_PREFIX_LENGTH} at most."
        )
    return prefix


def check_night(text: str) -> str:
    """Return ``text`` if it is a calendar date written YYYY-MM-DD.

    Raises
    ------
    NightError
        Otherwise.
    """
    if not _NIGHT.fullmatch(text):
        raise NightError(f"The night {text!r} is not a date; write it as YYYY-MM-DD, for example 2026-11-22.")
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise NightError(f"The night {text!r} is not in the calendar ({error}); correct the date.") from error
    return text


def path_part(kind: str, text: str) -> str:
    """Return one path part; a slash or nothing in it would silently address another folder."""
    if not text or "/" in text or text in {".", ".."}:
        raise S3UriError(f"The {kind} {text!r} cannot be part of an S3 key; give a name without slashes.")
    return text


def steps(folder: str, key: str) -> tuple[str, ...]:
    """Return the path parts of a key below a folder: folders first, the object's own name last."""
    return tuple(below(folder, key).split("/"))


def below(folder: str, key: str) -> str:
    """Return what follows a folder in the key of an object in it.

    Parameters
    ----------
    folder
        Key of the folder, without a slash at its end; empty for the whole bucket.
    key
        Key of an object somewhere in it.

    Raises
    ------
    S3UriError
        The object lies elsewhere.
    """
    start = f"{folder}/" if folder else ""
    if not key.startswith(start):
        raise S3UriError(f"The key {key!r} is not in the folder {folder!r}; pass the folder that was listed.")
    return key[len(start) :]


def own_name(address: str) -> str:
    """Return an object's own name: what follows the last slash of its key or address."""
    return address.rpartition("/")[2]


def ends(folder: str) -> list[str]:
    """Return a folder's key and what is left of it without its first steps, the longest first."""
    parts = folder.split("/") if folder else []
    return ["/".join(parts[start:]) for start in range(len(parts))]


def common_folder(addresses: Sequence[str]) -> str:
    """Return the innermost folder that all objects lie in, of their keys or addresses."""
    folders = [address.split("/")[:-1] for address in addresses]
    shared = takewhile(lambda step: len(set(step)) == 1, zip(*folders, strict=False))
    return "/".join(step[0] for step in shared)


def behind(folder: str) -> str:
    """Return a key that a listing sorts behind everything in a folder, to go on from there."""
    # "0" is the character that follows the slash.
    return f"{folder}0"
