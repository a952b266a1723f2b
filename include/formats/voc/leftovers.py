"""Files that editors, browsers and operating systems leave in folders: copies that are not data."""

from __future__ import annotations

import re

_FOLDERS = {"__macosx", "@eadir", "#recycle", "#snapshot", "$recycle.bin", "system volume information"}
_FOLDERS |= {"lost+found", "__pycache__"}
_FILES = {"thumbs.db", "thumbs.db:encryptable", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"}
_COPIES = re.compile(
    r".*~|~\$.*|#.*#|.*\.(bak|old|orig|backup|sw[a-p]|tmp|temp|part|partial|crdownload|download|lock|filepart)",
    re.IGNORECASE | re.DOTALL,
)


def leftover(path: str) -> str | None:
    """Return what marks a file as such a copy: the part of its path; None when nothing does.

    Parameters
    ----------
    path
        Below the folder, with slashes.
    """
    *folders, name = path.split("/")
    for folder in folders:
        if folder.startswith(".") or folder.lower() in _FOLDERS:
            return folder
    if name.startswith("._"):
        return "._*"
    if name.startswith(".") or name.lower() in _FILES:
        return name
    if _COPIES.fullmatch(name):
        return "backup copies"
    return None
