"""What images are, where it is not written down: their bytes are read and hashed."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING, TypeVar

from secondlook.detection import Prediction
from secondlook.failures.exceptions import S3UriError
from secondlook.hooks.s3 import ObjectChangedError, ObjectMissingError
from secondlook.layout import split_s3_uri
from secondlook.threads import READERS, in_order
from secondlook.training import ManifestLine, NamedImage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secondlook.hooks.s3 import ObjectStore

# What names an image, its version (None: the one that is there) and its SHA-256 (None: not read yet).
Named = TypeVar("Named", Prediction, ManifestLine, NamedImage)


def with_content(
    store: ObjectStore, images: Sequence[Named], *, is_wanted: Callable[[Named, bytes], bool] | None = None
) -> tuple[list[Named | None], list[str]]:
    """Return the images, each with its SHA-256; only those that lack it are read.

    None takes the place of an image that cannot be read: it is gone, or replaced since. The second result has
    a sentence for each of these.

    Parameters
    ----------
    store
        Of the deployment's bucket. Images of other buckets are read through the same connection.
    images
        Any number.
    is_wanted
        Looks at the bytes of an image that is read; of one that is not wanted None takes the place, without
        a sentence.

    Raises
    ------
    StoreError
        S3 refuses to be read.
    """
    unread = [image for image in images if image.sha256 is None]
    # Threads may share S3 clients but not make them.
    stores = {bucket: store.of_bucket(bucket) for bucket in {_bucket(image.image) for image in unread} - {""}}
    faults: list[str] = []

    def read(image: Named) -> Named | None:
        if image.sha256 is not None:
            return image
        try:
            bucket, key = split_s3_uri(image.image)
            content = stores[bucket].read(key, if_match=image.etag)
            wanted = is_wanted is None or is_wanted(image, content.data)
            return replace(image, sha256=content.sha256) if wanted else None
        except S3UriError as error:
            faults.append(str(error))
        except ObjectMissingError:
            faults.append(f"{image.image} does not exist: upload it again.")
        except ObjectChangedError:
            faults.append(f"{image.image} is no longer the version that is meant: restore that one.")
        return None

    if not unread:
        return list(images), faults
    return list(in_order(read, images, READERS)), sorted(faults)


def replaced(store: ObjectStore, lines: Sequence[ManifestLine]) -> list[str]:
    """Return the addresses at which other content is now than the lines tell; what is gone is not among them.

    Only an image whose version is another one is read. Raises like ``with_content``.
    """
    stores = {bucket: store.of_bucket(bucket) for bucket in {split_s3_uri(line.image)[0] for line in lines}}

    def is_replaced(line: ManifestLine) -> bool:
        bucket, key = split_s3_uri(line.image)
        head = stores[bucket].head(key)
        if head is None or head.etag == line.etag:
            return False
        return stores[bucket].read(key).sha256 != line.sha256

    return [line.image for line in compress(lines, in_order(is_replaced, lines, READERS))]


def _bucket(address: str) -> str:
    try:
        return split_s3_uri(address)[0]
    except S3UriError:
        return ""
