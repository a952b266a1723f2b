"""Documents in S3: one JSON form, one sentence about a fault, one loop for what several runs change."""

from __future__ import annotations

import threading
from typing import ClassVar

import pytest

from secondlook.failures.exceptions import RecordError
from secondlook.hooks.s3 import ObjectChangedError, ObjectMissingError
from secondlook.json_document import JsonDocument
from secondlook.records.document import SWAP_ATTEMPTS, Document, DocumentBusyError

KEY = "p/tally.json"


class Tally(JsonDocument):
    """A document of these tests."""

    remedy: ClassVar[str] = "delete it and count again"

    count: int
    by: tuple[str, ...] = ()


class Bucket:
    """Objects with conditional writes; ``rival`` writes before each of the first ``losses`` writes."""

    def __init__(self, losses: int = 0) -> None:
        self.data: dict[str, tuple[bytes, str]] = {}
        self.versions = 0
        self.losses = losses
        self.lock = threading.Lock()

    def uri(self, key: str) -> str:
        return f"s3://cells/{key}"

    def read(self, key: str) -> tuple[bytes, str]:
        if key not in self.data:
            raise ObjectMissingError(key)
        return self.data[key]

    def put(self, key: str, data: bytes) -> str:
        self.versions += 1
        self.data[key] = (data, f"v{self.versions}")
        return f"v{self.versions}"

    def write_if_absent(self, key: str, data: bytes) -> str:
        self._rival(key)
        with self.lock:
            if key in self.data:
                raise ObjectChangedError(key)
            return self.put(key, data)

    def compare_and_swap(self, key: str, data: bytes, expected_etag: str) -> str:
        self._rival(key)
        with self.lock:
            if self.data.get(key, (b"", ""))[1] != expected_etag:
                raise ObjectChangedError(key)
            return self.put(key, data)

    def _rival(self, key: str) -> None:
        if self.losses:
            self.losses -= 1
            self.put(key, counted(self.tally(key), "rival").to_json())

    def tally(self, key: str) -> Tally | None:
        return Tally.from_json(self.data[key][0], source=key) if key in self.data else None


def counted(tally: Tally | None, name: str) -> Tally:
    """One more, by this name."""
    tally = tally or Tally(count=0)
    return Tally(count=tally.count + 1, by=(*tally.by, name))


def document(bucket: Bucket, waits: list[int] | None = None) -> Document[Tally]:
    return Document(bucket, KEY, Tally, wait=(waits if waits is not None else []).append)


def test_a_document_is_one_canonical_line() -> None:
    assert Tally(count=2, by=("é",)).to_json() == '{"by":["é"],"count":2}\n'.encode()


def test_a_document_is_read_written_once_and_left_alone() -> None:
    bucket = Bucket()
    assert document(bucket).read() is None
    first = document(bucket).write_once(Tally(count=1))
    assert document(bucket).write_once(Tally(count=9)) == first == document(bucket).read()
    assert document(bucket).swap(lambda now: Tally(count=1)) == first
    assert bucket.versions == 1


def test_an_update_changes_only_what_exists() -> None:
    bucket = Bucket()
    assert document(bucket).update(lambda now: counted(now, "me")) is None
    assert bucket.versions == 0
    document(bucket).write_once(Tally(count=1))
    assert document(bucket).update(lambda now: counted(now, "me")) == Tally(count=2, by=("me",))


def test_a_change_that_lost_is_made_again_on_what_the_others_wrote() -> None:
    bucket, waits = Bucket(losses=3), list[int]()
    assert document(bucket, waits).swap(lambda now: counted(now, "me")).by == (
        "rival",
        "rival",
        "rival",
        "me",
    )
    assert waits == [0, 1, 2]


def test_who_loses_all_the_time_says_so() -> None:
    bucket, waits = Bucket(losses=SWAP_ATTEMPTS), list[int]()
    with pytest.raises(DocumentBusyError, match=rf"s3://cells/{KEY} 200 times in a row: run the task again"):
        document(bucket, waits).swap(lambda now: counted(now, "me"))
    assert len(waits) == SWAP_ATTEMPTS
    assert "me" not in bucket.tally(KEY).by


def test_no_count_of_many_threads_is_lost() -> None:
    bucket = Bucket()

    def count(name: str) -> None:
        for _ in range(5):
            document(bucket).swap(lambda now: counted(now, name))

    threads = [threading.Thread(target=count, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(bucket.tally(KEY).by) == sorted("abcd" * 5)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"{", "is not valid JSON"),
        (b"[]", "holds a JSON list instead of an object"),
        (b"{}", "cannot be used: it has no member 'count'"),
        (
            b'{"count":"many"}',
            "cannot be used: its member 'count' is 'many' \\(Input should be a valid integer",
        ),
        (b'{"count":1,"by":[1]}', "cannot be used: its member 'by.0' is 1 "),
    ],
)
def test_a_damaged_document_is_named_with_its_member_and_the_remedy(data: bytes, fault: str) -> None:
    bucket = Bucket()
    bucket.put(KEY, data)
    with pytest.raises(RecordError, match=rf"^s3://cells/{KEY} {fault}.*; delete it and count again\.$"):
        document(bucket).read()
