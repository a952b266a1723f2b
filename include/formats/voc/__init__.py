"""PASCAL VOC folders, read the same way by `pack` and by the demo."""

from .annotation import VocAnnotation, annotation_labels, parse_annotation
from .boxes import BoxFault, VocObject
from .contents import Contents, Entry, FolderFile
from .errors import VocError
from .folder import VocFolder
from .items import Source, VocFault, VocItem
from .leftovers import leftover
from .splits import Splits
from .tally import BoxTally
from .xml_file import check_xml_bytes

__all__ = [
    "BoxFault",
    "BoxTally",
    "Contents",
    "Entry",
    "FolderFile",
    "Source",
    "Splits",
    "VocAnnotation",
    "VocError",
    "VocFault",
    "VocFolder",
    "VocItem",
    "VocObject",
    "annotation_labels",
    "check_xml_bytes",
    "leftover",
    "parse_annotation",
]
