"""A lead's pages about people and acts in a browser: contrast, width, and how a person leaves."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from include.review_desk.clock import system_clock
from include.review_desk.people import invitations
from include.review_desk.people.workers import add_worker
from tests.review_desk.portal.contrast import LOW_CONTRAST
from tests.support.desk import Flow, unique
from tests.support.reviewer import PASSWORD, Reviewer


def lead_of(flow: Flow) -> Reviewer:
    name = unique("lead")
    add_worker(flow.site.database, system_clock(), team=flow.team, name=name, password=PASSWORD, lead=True)
    for wanted in ("grace", None):
        name_of = None if wanted is None else unique(wanted)
        invitations.create(flow.site.database, system_clock(), team=flow.team, name=name_of)
    return Reviewer(flow.site.url, name)


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 360), (False, 390)])
@pytest.mark.parametrize("path", ["people", "trail"])
def test_the_pages_can_be_read(site, browse, flow, path: str, dark: bool, width: int):
    lead, member = lead_of(flow), flow.reviewer()
    page = browse(width=width, height=800, dark=dark, touch=width < 400).sign_in(site, lead).page
    page.goto(f"{site.url}/overview/{path}")
    expect(page.locator("main")).to_contain_text(member.name)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    result = page.evaluate(LOW_CONTRAST)
    assert result["seen"] >= 20
    assert result["found"] == []


def test_a_lead_takes_a_person_out_by_the_page(site, browse, flow):
    lead, member = lead_of(flow), flow.reviewer()
    loop = flow.start()
    assert member.next()["loop"] == loop
    page = browse().sign_in(site, lead).page
    page.goto(f"{site.url}/overview")
    page.get_by_role("link", name="People").click()
    page.get_by_role("link", name=f"Take out {member.name}").click()
    expect(page.get_by_role("heading")).to_contain_text(member.name)
    page.get_by_role("link", name="Keep").click()
    page.get_by_role("link", name=f"Take out {member.name}").click()
    page.get_by_role("button", name="Take out").click()
    expect(page.get_by_role("status")).to_contain_text("was taken out of the team")
    expect(page.locator("main")).not_to_contain_text(member.name)
    assert lead.next()["loop"] == loop
    page.get_by_role("button", name="Withdraw").first.click()
    expect(page.get_by_role("status")).to_contain_text("was withdrawn")
    page.get_by_role("link", name="Audit trail").click()
    row = page.get_by_role("row").filter(has_text="member removed")
    expect(row).to_contain_text(member.name)
    expect(row).to_contain_text(lead.name)
    page.get_by_label("What").select_option("invitation-withdrawn")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("row")).to_have_count(2)
