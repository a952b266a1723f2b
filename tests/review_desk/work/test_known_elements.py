"""An answer is checked by the page that was shown, and by a rendering where none was shown lately."""

from __future__ import annotations

import pytest

from include.review_desk.aws_api import flows, task_uis
from include.review_desk.errors import BadAnswer
from include.review_desk.work import known_elements, submission, tasks
from include.review_desk.work.known_elements import KnownElements
from tests.review_desk.in_process import clock, desk, person, start
from tests.support.desk import TEMPLATE, flow_request
from tests.support.reviewer import box, boxes_answer

__all__ = ["clock", "desk", "person"]
PAGE = '<crowd-input name="text"></crowd-input>'


def never():
    raise AssertionError("the page was rendered")


def test_a_page_that_was_shown_is_not_rendered_again():
    known = KnownElements()
    known.learn(1, PAGE)
    assert [element.name for element in known.of(1, never)] == ["text"]
    assert [element.name for element in known.of(2, lambda: PAGE)] == ["text"]


def test_what_was_not_used_for_long_and_what_is_large_is_forgotten(monkeypatch):
    monkeypatch.setattr(known_elements, "_KEPT_LOOPS", 2)
    known = KnownElements()
    for loop_id in (1, 2):
        known.learn(loop_id, PAGE)
    known.of(1, never)
    known.learn(3, PAGE)
    known.of(1, never)
    for loop_id in (2, 4):
        with pytest.raises(AssertionError):
            known.of(loop_id, never)
    known.learn(4, PAGE + " " * 200_000)
    with pytest.raises(AssertionError):
        known.of(4, never)


@pytest.mark.parametrize("shown", [True, False])
def test_an_answer_is_held_against_the_template_either_way(desk, person, shown, monkeypatch):
    task_uis.create(desk, {"HumanTaskUiName": "ui", "UiTemplate": {"Content": TEMPLATE}})
    config = {"TaskAvailabilityLifetimeInSeconds": 1000, "TaskTimeLimitInSeconds": 100}
    flows.create(desk, flow_request("flow", "team", "ui", **config))
    start(desk)
    if shown:
        found = tasks.next_page(desk, person)
        assert found is not None
        task = found[0].task
        monkeypatch.setattr(desk.renderer, "render_unlinked", lambda *_: never())
    else:
        task = tasks.next_task(desk, person).task
    with pytest.raises(BadAnswer, match="none of the template's labels"):
        submission.answer(desk, person, task, boxes_answer([box("Dragon")]))
