"""The look from outside finds what it is there to find."""

from __future__ import annotations

import pytest

from .outside import Findings


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (["a", "b"], []),
        (["b"], ["human loop: a is missing"]),
        (["a", "b", "a"], ["human loop: a 2 times"]),
        (["a", "b", "c"], ["human loop: c was not asked for"]),
    ],
)
def test_what_is_missing_doubled_or_too_much_is_told(found, wrong):
    findings = Findings()
    findings.each_once("human loop", ["a", "b"], found)
    assert findings.wrong == wrong
