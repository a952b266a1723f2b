"""Where everything lies in S3: the only package that spells keys and takes them apart."""

from __future__ import annotations

from secondlook.layout.addresses import (
    behind,
    below,
    check_night,
    check_prefix,
    common_folder,
    ends,
    own_name,
    split_s3_uri,
    steps,
)
from secondlook.layout.model_keys import ModelKeys
from secondlook.layout.night_keys import NightKeys
from secondlook.layout.transform import TransformFolder

__all__ = [
    "Layout",
    "TransformFolder",
    "behind",
    "below",
    "check_night",
    "check_prefix",
    "common_folder",
    "ends",
    "own_name",
    "split_s3_uri",
    "steps",
]


class Layout(NightKeys, ModelKeys):
    """All keys of one deployment."""
