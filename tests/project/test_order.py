"""Files that take long come first, and the tests of a file stay together in their order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import order


@dataclass
class Item:
    nodeid: str


def test_slow_files_come_first_and_keep_the_order_of_their_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durations = tmp_path / "durations.json"
    durations.write_text(json.dumps({"b/test_slow.py": 9.0, "c/test_slowest.py": 90.0}))
    monkeypatch.setattr(order, "DURATIONS", durations)
    files = ("a/test_quick", "b/test_slow", "c/test_slowest", "d/test_quick")
    items = [Item(f"tests/{file}.py::test_{name}") for file in files for name in ("z", "a")]
    order.pytest_collection_modifyitems(items)  # type: ignore[arg-type]
    assert [item.nodeid for item in items] == [
        f"tests/{file}.py::test_{name}"
        for file in ("c/test_slowest", "b/test_slow", "a/test_quick", "d/test_quick")
        for name in ("z", "a")
    ]
