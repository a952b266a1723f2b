"""The lead's overview in a browser: contrast in both themes, and nothing wider than a narrow screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from include.review_desk.clock import system_clock
from include.review_desk.people.workers import add_worker
from tests.review_desk.portal.contrast import LOW_CONTRAST
from tests.support.desk import unique
from tests.support.reviewer import PASSWORD, Reviewer, box


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (False, 390), (True, 360)])
def test_the_overview_can_be_read(site, browse, flow, dark: bool, width: int):
    name = unique("lead")
    add_worker(site.database, system_clock(), team=flow.team, name=name, password=PASSWORD, lead=True)
    lead = Reviewer(site.url, name)
    for _ in range(2):
        flow.start(initialValue=[box()])
    assert lead.answer(lead.next(), [box()])[0] == 200
    page = browse(width=width, height=800, dark=dark, touch=width == 360).sign_in(site, lead).page
    page.goto(f"{site.url}/overview")
    expect(page.locator("main")).to_contain_text(name)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    days = page.get_by_role("region", name="By day")
    inner, box_width = days.evaluate("box => [box.scrollWidth, box.clientWidth]")
    assert (inner > box_width) == (width < 1280), "the table is wider than its box"
    days.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
    right = "cell => cell.getBoundingClientRect().right"
    assert days.locator("tbody tr:first-child td:last-child").evaluate(right) <= width
    result = page.evaluate(LOW_CONTRAST)
    assert result["seen"] >= 20
    assert result["found"] == []
