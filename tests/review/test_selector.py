"""From scored images to ledger lines: what is selected, and what selecting again adds."""

from __future__ import annotations

from dataclasses import replace

from secondlook.review import NightSelector, SelectionSettings
from secondlook.review.selector import additions, distinct, not_asked
from secondlook.settings import ReviewSettings
from tests.support.ledgers import LABELS, NIGHT, make_prediction

REVIEW = ReviewSettings(policy="top_score", policy_params={"threshold": 0.9}, limit=3, audit_share=0.0)
SELECTOR = NightSelector(NIGHT, "m-1", "flow-1", LABELS, REVIEW)
SCORED = [make_prediction(f"{number}.jpg", 0.1 * number) for number in range(1, 6)]


def test_the_lines_are_those_of_the_settings() -> None:
    lines = SELECTOR.lines(SELECTOR.select(SCORED, REVIEW.limit))
    assert [line.image for line in lines] == [prediction.image for prediction in SCORED[:3]]
    assert [(line.rank, line.policy, line.reason, line.round) for line in lines] == [
        (rank, "top_score", "policy", 1) for rank in (1, 2, 3)
    ]
    another_round = NightSelector(NIGHT, "m-1", "flow-1", LABELS, REVIEW.override(round=2))
    again = another_round.lines(another_round.select(SCORED, REVIEW.limit))
    assert not {line.loop for line in again} & {line.loop for line in lines}


def test_what_a_run_selects_by_is_known_by_the_settings_names() -> None:
    assert SELECTOR.settings(images=5) == SelectionSettings(
        review_policy="top_score",
        policy_params={"threshold": 0.9},
        review_limit=3,
        audit_share=0.0,
        model="m-1",
        images=5,
    )


def test_copies_that_are_known_as_such_later_are_selected_once() -> None:
    unread = [replace(prediction, sha256=None) for prediction in SCORED]
    selected = SELECTOR.select(unread, 5)
    # The second is a copy of the first, and the fourth is gone.
    known = [replace(image.prediction, sha256=str(number)) for number, image in enumerate(selected)]
    kept = distinct(selected, [known[0], replace(known[1], sha256="0"), known[2], None, known[4]])
    assert [(image.prediction.image, image.rank) for image in kept] == [
        (SCORED[0].image, 1),
        (SCORED[2].image, 2),
        (SCORED[4].image, 3),
    ]


def test_selecting_again_adds_other_images_after_those_of_the_ledger() -> None:
    ledger = SELECTOR.lines(SELECTOR.select(SCORED, 2))
    others = list(not_asked(SCORED, ledger))
    assert others == SCORED[2:]
    # The same bytes under another name are asked about already.
    copy = replace(SCORED[0], image="s3://b/images/copy.jpg")
    added = additions(SELECTOR.lines(SELECTOR.select([copy, *others], 3)), ledger)
    assert [(line.image, line.rank) for line in added] == [(SCORED[2].image, 3), (SCORED[3].image, 4)]


def test_a_postponed_image_may_be_added() -> None:
    asked, waiting = SELECTOR.lines(SELECTOR.select(SCORED, 2))
    waiting = replace(waiting, state="postponed", state_reason="over budget")
    chosen = SELECTOR.lines(SELECTOR.select(not_asked(SCORED, [asked]), 1))
    (added,) = additions(chosen, [asked, waiting])
    assert (added.image, added.state, added.rank) == (waiting.image, "asked", 3)
