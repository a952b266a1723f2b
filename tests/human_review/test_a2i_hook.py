"""What a DAG of anyone can do with human loops through the hook, on a real Review Desk."""

from __future__ import annotations

import pytest

from secondlook.failures.exceptions import HumanReviewError
from secondlook.hooks.a2i import A2IHook


def test_a_human_loop_is_stopped_and_deleted(ready, context):
    ready.score([ready.prediction("a", 0.9, 0.6), ready.prediction("b", 0.8, 0.5)])
    ready.launch().execute(context)
    a2i = A2IHook("a2i_default")
    name, other = ready.loops()
    with pytest.raises(HumanReviewError, match=f"delete the human loop {name}"):
        a2i.delete(name)
    a2i.stop(name)
    a2i.stop(name)
    assert a2i.describe(name).status == "Stopped"
    a2i.delete(name)
    a2i.delete(name)
    a2i.stop(name)
    assert a2i.describe(name) is None
    assert dict(a2i.sweep(a2i.flow(ready.flow).arn)) == {other: "InProgress"}
