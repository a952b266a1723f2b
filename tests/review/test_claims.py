"""Which later night may ask about what a night postponed."""

from __future__ import annotations

import json

from secondlook.review import Claims

FIRST, SECOND = "2026-11-21/1", "2026-11-22/1"


def test_a_loop_is_claimed_once() -> None:
    claims = Claims().claim(["a", "b"], FIRST).claim(["b", "c"], SECOND)
    assert claims.claimed == {"a": FIRST, "b": FIRST, "c": SECOND}
    assert [claims.free_for(loop, SECOND) for loop in "abcd"] == [False, False, True, True]


def test_a_claim_is_given_back_by_its_claimant_only() -> None:
    claims = Claims().claim(["a"], FIRST).claim(["b"], SECOND)
    assert claims.unclaim(["a", "b"], FIRST) == Claims(claimed={"b": SECOND})


def test_the_document_is_read_back() -> None:
    claims = Claims().claim(["a"], FIRST)
    assert json.loads(claims.to_json()) == {"claimed": {"a": FIRST}}
    assert Claims.from_json(claims.to_json(), source="s3://b/k") == claims
