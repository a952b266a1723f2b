"""Cut a night into shards (one task each) and parts (one file each), without its list of images in memory.

A shard is a range of names, not a list: an image that arrives later falls into exactly one shard, and part
numbers of different shards never overlap.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from secondlook.failures.exceptions import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Shard:
    """The images whose names lie in ``(after, until]``, and the numbers of their parts.

    ``after`` is None for the first shard. ``until`` is None for the last one: it has no end, neither of names
    nor of part numbers. Names are keys below the night's folder, in the order in which S3 lists them.
    """

    shard: int = 0
    after: str | None = None
    until: str | None = None
    first_part: int = 0
    parts: int = 1

    def to_record(self) -> dict[str, Any]:
        """Return the plain form that travels from task to task."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Shard:
        """Read what :meth:`to_record` wrote.

        Raises
        ------
        RecordError
            A member is missing or invalid.
        """
        try:
            until = record["until"]
            shard = cls(
                shard=int(record["shard"]),
                after=None if record["after"] is None else str(record["after"]),
                until=None if until is None else str(until),
                first_part=int(record["first_part"]),
                parts=int(record["parts"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"{record!r} is not a shard ({error}); plan the night again.") from error
        if shard.first_part < 0 or shard.parts < 1:
            raise RecordError(f"{record!r} is a shard without parts; plan the night again.")
        return shard


WHOLE_NIGHT = (Shard(),)


def shards_of(records: Sequence[Mapping[str, Any]] | None) -> tuple[Shard, ...]:
    """Return the shards of a night, given their records; without any the night is one shard."""
    return tuple(map(Shard.from_record, records)) if records else WHOLE_NIGHT


def cut(
    names: Iterable[str], *, shard_size: int, part_size: int, max_shards: int
) -> tuple[int, tuple[Shard, ...]]:
    """Count the names and cut them into shards.

    Parameters
    ----------
    names
        In ascending order; read once, not kept.
    shard_size
        Images per shard; rounded up to a multiple of ``part_size``, and doubled until ``max_shards`` are
        enough.
    part_size
        Images per part.
    max_shards
        Most shards.

    Returns
    -------
    tuple
        The number of names, and the shards: at least one, also of an empty night.
    """
    size = -(-shard_size // part_size) * part_size
    count, ends, last = 0, [], ""
    for name in names:
        # A shard ends only where the next one starts; the last one is open-ended.
        if count and count % size == 0:
            ends.append(last)
            if len(ends) == max_shards:
                size, ends = 2 * size, ends[1::2]
        count, last = count + 1, name
    return count, tuple(_shards(ends, count, size, part_size))


def _shards(ends: list[str], count: int, size: int, part_size: int) -> Iterator[Shard]:
    per_shard = size // part_size
    for index, (after, until) in enumerate(zip([None, *ends], [*ends, None], strict=True)):
        left = count - index * size
        parts = per_shard if until is not None else max(1, -(-left // part_size))
        yield Shard(index, after, until, index * per_shard, parts)


def parts(shard: Shard, items: Iterable[Item], part_size: int) -> Iterator[tuple[int, list[Item]]]:
    """Cut the items of one shard into parts; yields the part's number and its items, one part at a time.

    A shard that has grown since it was cut keeps its numbers: what does not fit goes into its last part. Only
    the last shard may take further numbers, because none follows it.
    """
    part: list[Item] = []
    number, final = shard.first_part, shard.first_part + shard.parts - 1
    for item in items:
        if len(part) >= part_size and (shard.until is None or number < final):
            yield number, part
            number, part = number + 1, []
        part.append(item)
    if part:
        yield number, part
