"""The three forms in which a channel names its objects: prefix, manifest and augmented manifest.

Source: SageMaker API Reference, S3DataSource; SageMaker Developer Guide, "Augmented Manifest Files for
Training Jobs".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.formats.paths import UnsafeNameError, check_name
from include.local_sagemaker.errors import JobError
from include.local_sagemaker.s3 import ObjectAddress

if TYPE_CHECKING:
    from include.local_sagemaker.s3 import S3


@dataclass(frozen=True)
class NamedObject:
    """An object, and the name under which a job sees it."""

    address: ObjectAddress
    name: str


@dataclass(frozen=True)
class Attribute:
    """One value of an augmented manifest's line: the text, or the object to send the bytes of."""

    content: bytes | ObjectAddress


def prefix_objects(s3: S3, uri: str) -> list[NamedObject]:
    """List the objects under a prefix, each named relative to the prefix's last ``/``."""
    prefix = ObjectAddress.parse(uri)
    base = prefix.key[: prefix.key.rfind("/") + 1]
    return [NamedObject(address, address.key[len(base) :]) for address, _ in s3.list(prefix)]


def manifest_objects(s3: S3, uri: str) -> list[NamedObject]:
    """Read ``[{"prefix": "s3://bucket/path/"}, "name", ...]``.

    Raises
    ------
    JobError
        When the file is not of this form.
    """
    try:
        document = json.loads(s3.read(ObjectAddress.parse(uri)))
    except (ValueError, RecursionError) as error:
        raise JobError(f"The manifest {uri} is not valid JSON: {error}.") from error
    if not isinstance(document, list) or not document or not isinstance(document[0], dict):
        raise JobError(f'The manifest {uri} must be a list that begins with {{"prefix": "s3://..."}}.')
    prefix, *names = document
    if (
        not isinstance(prefix.get("prefix"), str)
        or not names
        or not all(isinstance(name, str) for name in names)
    ):
        raise JobError(
            f'The manifest {uri} must be [{{"prefix": "s3://..."}}, "name", ...] with one name or more.'
        )
    return [NamedObject(ObjectAddress.parse(prefix["prefix"] + name), _checked(name, uri)) for name in names]


def _checked(name: str, uri: str) -> str:
    try:
        check_name(name)
    except UnsafeNameError as error:
        raise JobError(f"An entry of the manifest {uri} cannot be used: {error}.") from error
    return name


def named_objects(s3: S3, source: dict[str, Any]) -> list[NamedObject]:
    """List the objects of an ``S3DataSource`` of type S3Prefix or ManifestFile."""
    if source["S3DataType"] == "S3Prefix":
        return prefix_objects(s3, source["S3Uri"])
    if source["S3DataType"] == "ManifestFile":
        return manifest_objects(s3, source["S3Uri"])
    raise JobError(f"S3DataType {source['S3DataType']} is not supported by this server.")


def augmented_lines(s3: S3, uri: str, attributes: list[str]) -> list[list[Attribute]]:
    """Read an augmented manifest: of each line the named attributes, in that order.

    Raises
    ------
    JobError
        With the first line that is not a JSON object, lacks an attribute, or whose ``-ref`` is no S3
        address.
    """
    text = s3.read(ObjectAddress.parse(uri))
    lines = [
        _attributes(line, attributes, f"Line {number} of {uri}")
        for number, line in enumerate(text.split(b"\n"), 1)
        if line.strip()
    ]
    if not lines:
        raise JobError(f"The augmented manifest {uri} has no line.")
    return lines


def _attributes(line: bytes, names: list[str], where: str) -> list[Attribute]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise JobError(f"{where} is not valid JSON: {error}.") from error
    if not isinstance(document, dict):
        raise JobError(f"{where} is not a JSON object.")
    for name in names:
        if name not in document:
            raise JobError(
                f"{where} has no attribute {name!r}; it has {', '.join(sorted(document)) or 'none'}."
            )
    return [_attribute(name, document[name], where) for name in names]


def _attribute(name: str, value: Any, where: str) -> Attribute:
    if name.endswith("-ref"):
        if not isinstance(value, str):
            raise JobError(f"{where} has {name!r} that is not an S3 address.")
        try:
            return Attribute(ObjectAddress.parse(value))
        except JobError as error:
            raise JobError(f"{where} has a wrong {name!r}: {error}") from error
    if isinstance(value, str):
        return Attribute(value.encode())
    return Attribute(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
