"""The overview: whose it is, what it counts on both databases, and that it stays quick."""

from __future__ import annotations

import http.client
import json
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from include.review_desk.clock import as_datetime, system_clock
from include.review_desk.people.workers import add_worker
from tests.review_desk.work.filled import (
    DAY_MS,
    add_assignments,
    add_loops,
    add_people,
    assignment,
    edits,
)
from tests.support.desk import unique
from tests.support.reviewer import PASSWORD, Reviewer, box, boxes_answer
from tests.support.servers import wait_for

if TYPE_CHECKING:
    from tests.support.desk import Flow, Site

MIDNIGHT_MS = 0


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are collected long before they run, perhaps on the day before."""
    monkeypatch.setattr(sys.modules[__name__], "MIDNIGHT_MS", system_clock() // DAY_MS * DAY_MS)


def lead_of(flow: Flow, name: str | None = None) -> Reviewer:
    name = name or unique("lead")
    add_worker(flow.site.database, system_clock(), team=flow.team, name=name, password=PASSWORD, lead=True)
    return Reviewer(flow.site.url, name)


def get(site: Site, person: Reviewer | None, path: str, accept: str = "text/html") -> tuple[int, str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    headers = {"Accept": accept} | ({"Cookie": f"desk_session={person.token}"} if person else {})
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers
    finally:
        connection.close()


def numbers(person: Reviewer, flow: Flow, days: int = 14) -> dict[str, Any]:
    status, text, _ = get(flow.site, person, f"/overview.json?team={flow.team}&days={days}")
    assert status == 200, text
    return json.loads(text)


def day(number: int) -> str:
    return f"{as_datetime(MIDNIGHT_MS - number * DAY_MS):%Y-%m-%d}"


@pytest.mark.parametrize("path", ["/overview", "/overview?days=7"])
def test_without_a_session_the_page_leads_to_the_sign_in(site: Site, path: str):
    status, _, headers = get(site, None, path)
    assert status == 303
    assert headers["Location"].startswith("/sign-in?next=%2Foverview")


def test_only_leads_see_it_and_only_their_teams(flow: Flow, make_flow):
    other = make_flow()
    member, lead = flow.reviewer(), lead_of(flow)
    for person, path in ((member, "/overview"), (lead, f"/overview?team={other.team}")):
        status, text, _ = get(flow.site, person, path)
        assert status == 403
        assert "lead" in text
        status, text, _ = get(flow.site, person, path, "application/json")
        assert status == 403
        assert json.loads(text)["error"].count(". ") == 0
    assert get(flow.site, None, "/overview.json")[0] == 401
    assert get(flow.site, lead, "/overview")[0] == 200


@pytest.mark.parametrize("days", ["0", "-1", "367", "x", "١٤", "1e3", "99999999999"])
def test_a_period_that_is_none_is_one_sentence(flow: Flow, days: str):
    lead = lead_of(flow)
    status, text, _ = get(flow.site, lead, f"/overview.json?days={quote(days)}")
    assert status == 400
    assert "from 1 to 366" in json.loads(text)["error"]
    assert get(flow.site, lead, f"/overview?days={quote(days)}")[0] == 400


def test_a_reviewed_image_is_in_the_numbers(both_sites: Site):
    flow = both_sites.make_flow()
    lead, person = lead_of(flow), flow.reviewer()
    drawn = [box(left=0), box(left=100), box(left=200), box(left=300)]
    loop = flow.start(initialValue=drawn)
    flow.start()
    task = person.next()
    assert (numbers(lead, flow)["waiting"], numbers(lead, flow)["in_work"]) == (1, 1)
    answered = [box(left=0), box(left=105), box("WBC", left=200), box(left=500)]
    assert (
        person.call(f"/worker/tasks/{task['task']}/answer", {"answerContent": boxes_answer(answered)})[0]
        == 200
    )
    person.decline(person.next())
    flow.ended(loop)
    seen = numbers(lead, flow)
    assert (seen["waiting"], seen["in_work"], seen["done"], seen["declined"]) == (1, 0, 1, 1)
    assert seen["boxes"] == {
        "images": 1,
        "drawn": 4,
        "accepted": 0.25,
        "moved": 0.25,
        "relabelled": 0.25,
        "removed": 0.25,
        "added_per_100": 25.0,
    }
    (row,) = seen["people"]
    assert (row["name"], row["done"], row["declined"], row["by_day"][-1]) == (person.name, 1, 1, 1)
    assert row["pace"]["median_seconds"] == seen["pace"]["p90_seconds"] > 0


def test_days_people_and_times(both_sites: Site):
    flow = both_sites.make_flow()
    lead, database = lead_of(flow), both_sites.database
    ada, bob = add_people(database, 0, [unique("<b>ada"), unique("مريم")])
    loops = add_loops(database, flow, 30, status="Completed", open_slots=0)
    add_loops(
        database,
        flow,
        2,
        status="Failed",
        failure_code="Expired",
        open_slots=0,
        created_ms=MIDNIGHT_MS - 9 * DAY_MS,
        ended_ms=MIDNIGHT_MS - 2 * DAY_MS,
    )
    noon_ms = MIDNIGHT_MS - DAY_MS // 2
    rows = [
        assignment(
            loop,
            ada,
            noon_ms,
            submitted_ms=noon_ms + (number + 1) * 10_000,
            paused_ms=5_000,
            edits=edits(accepted=3, removed=1, added=2),
        )
        for number, loop in enumerate(loops[:10])
    ]
    # One millisecond apart: the last of one day, the first of the next.
    rows.append(assignment(loops[10], bob, noon_ms, submitted_ms=MIDNIGHT_MS - 3 * DAY_MS - 1, corrections=2))
    rows.append(assignment(loops[11], bob, noon_ms - 3 * DAY_MS, submitted_ms=MIDNIGHT_MS - 3 * DAY_MS))
    unanswered = {"submitted_ms": None, "answer": None}
    for number, state in enumerate(["declined", "expired", "expired", "returned"]):
        rows.append(assignment(loops[12 + number], bob, noon_ms, state=state, **unanswered))
    # Before the period.
    rows.append(assignment(loops[20], ada, noon_ms - 40 * DAY_MS))
    rows.append(assignment(loops[21], ada, noon_ms - 40 * DAY_MS, state="declined", **unanswered))
    add_assignments(database, rows)
    seen = numbers(lead, flow)
    assert (seen["since"], len(seen["by_day"])) == (day(13), 14)
    counts = ("waiting", "done", "declined", "ran_out", "handed_back", "expired", "corrected")
    assert [seen[name] for name in counts] == [0, 12, 1, 2, 1, 2, 1]
    first, second = seen["people"]
    assert (first["done"], second["done"], second["corrected"]) == (10, 2, 1)
    # 5, 15, ... 95 seconds without the pauses.
    assert first["pace"] == {"median_seconds": 50.0, "p90_seconds": 85.0}
    assert (first["boxes"]["accepted"], first["boxes"]["added_per_100"]) == (0.75, 50.0)
    assert second["boxes"]["accepted"] is None
    done = {row["day"]: row["done"] for row in seen["by_day"] if row["done"]}
    assert done == {day(1): 10, day(3): 1, day(4): 1}
    assert {row["day"]: row["expired"] for row in seen["by_day"] if row["expired"]} == {day(2): 2}
    assert sum(first["by_day"]) == 10
    assert numbers(lead, flow, days=2)["done"] == 10
    assert numbers(lead, flow, days=90)["done"] == 13


def test_the_page_shows_names_as_text_and_needs_no_inline_style(flow: Flow):
    lead = lead_of(flow)
    name = unique('<script>alert(1)</script>"{{ 1 }}')
    (person,) = add_people(flow.site.database, 0, [name])
    (loop,) = add_loops(flow.site.database, flow, 1, status="Completed", open_slots=0)
    row = assignment(loop, person, MIDNIGHT_MS - DAY_MS, edits=edits(accepted=1))
    add_assignments(flow.site.database, [row])
    status, text, headers = get(flow.site, lead, "/overview")
    assert status == 200
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "{{ 1 }}" in text
    assert "style=" not in text
    assert "'unsafe-inline'" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


def test_an_empty_team_has_an_overview(flow: Flow):
    status, text, _ = get(flow.site, lead_of(flow), "/overview?days=366")
    assert status == 200
    assert "No one has worked" in text


def test_a_lead_of_several_teams_can_choose(flow: Flow, make_flow):
    other = make_flow()
    lead = lead_of(flow)
    lead_of(other, lead.name)
    status, text, _ = get(flow.site, lead, f"/overview?team={other.team}")
    assert status == 200
    assert f"<option selected>{other.team}</option>" in text
    assert f"<option>{flow.team}</option>" in text


def test_an_answer_held_for_correction_counts_as_done(flow: Flow):
    lead, person = lead_of(flow), flow.reviewer()
    flow.start()
    task = person.next()
    body = {"answerContent": boxes_answer([]), "correctable": True}
    assert person.call(f"/worker/tasks/{task['task']}/answer", body)[0] == 200
    assert wait_for(lambda: numbers(lead, flow)["done"]) == 1
