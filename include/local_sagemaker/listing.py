"""The List operations: filters, order and pages, the same for all kinds of resources."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from include.local_sagemaker.arns import invalid

if TYPE_CHECKING:
    from include.local_sagemaker.state import Document

_DEFAULT_PAGE = 100
_SHOWN_CHARACTERS = 80


def page(
    documents: list[Document], params: dict[str, Any], *, result: str, name: str, status: str | None = None
) -> dict[str, Any]:
    """Answer a List operation.

    ``result``, ``name`` and ``status`` are the members that hold the summaries, the resource's name and its
    status. By default the newest come first, as on SageMaker.
    """
    sort_member = {"Name": name, "Status": status or name}.get(params.get("SortBy", ""), "CreationTime")
    kept = [document for document in documents if _passes(document, params, name, status)]
    kept.sort(key=lambda document: (document[sort_member], document[name]))
    if params.get("SortOrder", "Descending") == "Descending":
        kept.reverse()
    start = _position(params.get("NextToken"))
    end = start + params.get("MaxResults", _DEFAULT_PAGE)
    token = base64.b64encode(str(end).encode()).decode() if end < len(kept) else None
    return {result: kept[start:end], "NextToken": token}


def _passes(document: Document, params: dict[str, Any], name: str, status: str | None) -> bool:
    if params.get("NameContains", "").lower() not in document[name].lower():
        return False
    if status and params.get("StatusEquals", document[status]) != document[status]:
        return False
    for member in ("CreationTime", "LastModifiedTime"):
        moment = document.get(member, document["CreationTime"])
        after, before = params.get(f"{member}After"), params.get(f"{member}Before")
        if (after and moment <= after.timestamp()) or (before and moment >= before.timestamp()):
            return False
    return True


def _position(token: str | None) -> int:
    if token is None:
        return 0
    try:
        position = int(base64.b64decode(token, validate=True))
    except ValueError:
        position = -1
    if position < 0:
        raise invalid(f"The NextToken {token[:_SHOWN_CHARACTERS]!r} was not issued by this server.")
    return position
