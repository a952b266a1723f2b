"""The one JSON form of a document: a frozen value, written canonically with a newline at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from secondlook import jsonl
from secondlook.failures.exceptions import RecordError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class JsonDocument(BaseModel):
    """A value that is stored as one JSON object; equal values give equal bytes.

    Attributes
    ----------
    remedy
        What to do about a damaged document, as the end of a sentence.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")
    remedy: ClassVar[str] = "restore its last version in the bucket"

    def to_json(self) -> bytes:
        """Return the document's bytes.

        Raises
        ------
        RecordError
            It holds a number that JSON has no form for.
        """
        return (jsonl.canonical(self.model_dump(mode="json")) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes, *, source: str) -> Self:
        """Read a document; ``source`` names it in errors, usually by its S3 address.

        Raises
        ------
        RecordError
            Naming the source, the member that is missing or malformed, and the remedy.
        """
        record = jsonl.decode_object(data, source=source, remedy=cls.remedy)
        try:
            return cls.model_validate(record)
        except ValidationError as error:
            raise RecordError(
                f"{source} cannot be used: {_fault(error.errors()[0])}; {cls.remedy}."
            ) from error


def _fault(fault: ErrorDetails) -> str:
    member = ".".join(map(str, fault["loc"]))
    if not member:
        return _reason(fault)
    if fault["type"] == "missing":
        return f"it has no member {member!r}"
    return f"its member {member!r} is {_shown(fault['input'])} ({_reason(fault)})"


def _reason(fault: ErrorDetails) -> str:
    return fault["msg"].removeprefix("Value error, ").rstrip(".")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
