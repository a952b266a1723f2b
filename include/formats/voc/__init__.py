"""PASCAL VOC folders, read the same way by `pack` and by the demo."""

from .annotation import VocAnnotation, VocObject, annotation_manifest_fields, parse_annotation
from .errors import VocError
from .lists import parse_image_set, split_names

__all__ = [
    "VocAnnotation",
    "VocError",
    "VocObject",
    "annotation_manifest_fields",
    "parse_annotation",
    "parse_image_set",
    "split_names",
]
