"""The queue page: what waits, what one holds, and where to begin."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.desk import unique
from tests.support.reviewer import PASSWORD


def test_whoever_is_not_signed_in_is_sent_to_sign_in_and_back(site, browse, flow):
    name = unique("person")
    site.add_worker(flow.team, name)
    page = browse().page
    page.goto(f"{site.url}/answers?x=1")
    assert page.url == f"{site.url}/sign-in?next=%2Fanswers%3Fx%3D1"
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("My last answers")
    assert page.url == f"{site.url}/answers?x=1"
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password", exact=True)).to_be_visible()
    page.goto(site.url)
    assert "/sign-in" in page.url


def test_the_queue_counts_and_renews_itself_without_moving(site, browse, flow):
    person = flow.reviewer()
    page = browse(clock=True).sign_in(site, person).page
    page.goto(site.url)
    expect(page.locator("#turn")).to_contain_text("Nothing is waiting for you")
    expect(page.locator("#start")).to_be_hidden()
    place = page.locator("#numbers").bounding_box()
    flow.start()
    flow.start()
    page.clock.run_for(5_000)
    expect(page.locator("#waiting")).to_have_text("2")
    expect(page.locator("#start")).to_be_focused()
    assert page.locator("#numbers").bounding_box() == place
    assert page.locator("#flows tr").all_inner_texts() == [f"Check the boxes\t{flow.name}\t2"]
    person.answer(person.next())
    page.clock.run_for(5_000)
    expect(page.locator("#answered")).to_have_text("1")
    expect(page.locator("#typical")).to_have_text(re.compile(r"^(under 1|[1-9]) s$"))
    person.next()
    page.clock.run_for(5_000)
    expect(page.locator("#mine")).to_have_text("1")
    expect(page.locator("#start")).to_have_text("Continue")


def test_the_queue_does_not_look_while_nobody_sees_it(site, browse, flow):
    page = browse(clock=True).sign_in(site, flow.reviewer()).page
    page.goto(site.url)
    expect(page.locator("#waiting")).to_have_text("0")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        "() => Object.defineProperty(document, 'visibilityState', { get: () => window.seen ?? 'hidden' })"
    )
    page.clock.run_for(60_000)
    assert asked == []
    page.evaluate("() => { window.seen = 'visible'; document.dispatchEvent(new Event('visibilitychange')); }")
    page.wait_for_function("() => true")
    expect(page.locator("#waiting")).to_have_text("0")
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"{{ 7*7 }}"', "\u05e9\u05dc\u05d5\u05dd (1)"])
def test_names_and_titles_render_as_text(site, browse, make_flow, name: str):
    flow = make_flow(TaskTitle=name)
    person = flow.reviewer(f"{unique('p')} {name} \U0001f600")
    flow.start()
    page = browse().sign_in(site, person).page
    page.goto(site.url)
    expect(page.locator("#flows td").first).to_have_text(name)
    expect(page.locator(".who bdi")).to_have_text(person.name)
    page.goto(f"{site.url}/work")
    expect(page.locator("#title")).to_have_text(name)


def test_the_theme_button_is_remembered(site, browse, flow):
    page = browse().sign_in(site, flow.reviewer()).page
    page.goto(site.url)
    for theme in ("light", "dark"):
        page.get_by_role("button", name="Theme").click()
        expect(page.get_by_role("button", name=f"Theme: {theme}")).to_be_visible()
    page.goto(f"{site.url}/answers")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 30)"


def test_a_narrow_screen_leads_to_the_account_also_from_a_task(site, browse, flow):
    person = flow.reviewer()
    page = browse(width=360, height=740, touch=True).sign_in(site, person).page
    page.goto(f"{site.url}/work")
    page.get_by_role("link", name="Review Desk").tap()
    page.get_by_role("link", name=f"Account of {person.name}").tap()
    expect(page.get_by_role("heading", level=1)).to_have_text("Account")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_an_icon_is_there_for_pages_and_for_what_is_none(site, browse):
    status, icon, headers = site.get("/favicon.ico")
    assert (status, headers["Content-Type"]) == (200, "image/svg+xml")
    page = browse().page
    page.goto(f"{site.url}/sign-in")
    named = page.locator("link[rel=icon]").evaluate("async (link) => (await fetch(link.href)).text()")
    assert named == icon
