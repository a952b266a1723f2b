"""One selected image and what reviewers answer about it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from secondlook.review import LedgerLine
from tests.support.ledgers import make_ledger_line, make_output


@pytest.fixture
def line() -> LedgerLine:
    return make_ledger_line()


@pytest.fixture
def body(line: LedgerLine) -> Callable[..., bytes]:
    """Bytes of the output document of ``line``'s loop."""
    return lambda *answers, **more: json.dumps(make_output(line, *answers, **more)).encode()
