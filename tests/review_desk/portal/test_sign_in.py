"""Joining by a link, signing out and in again, in a real browser: forms, cookies, focus."""

from __future__ import annotations

from playwright.sync_api import expect

from include.review_desk.clock import system_clock
from include.review_desk.people import invitations
from tests.support.desk import unique
from tests.support.reviewer import PASSWORD


def test_somebody_joins_by_a_link_signs_out_and_in_again(site, browse):
    team, name = unique("team"), unique("Zoë")
    made = invitations.create(site.database, system_clock(), team=team)
    visit = browse(expected=["status of 401", "status of 400"])
    page = visit.page
    page.goto(made.link(site.url))
    expect(page.get_by_label("Name")).to_be_focused()
    # Without the browser's own checks, so that the desk's sentence shows.
    page.locator("main form").evaluate("form => { form.noValidate = true; }")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill("short")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("8 to 1024 characters")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("Name")).to_have_value(name)
    expect(page.get_by_label("Password")).to_have_value("")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create my account").click()
    expect(page).to_have_url(f"{site.url}/")
    expect(page.locator(".who")).to_contain_text(name)
    assert page.evaluate("document.cookie") == "", "no script reads the session"
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{site.url}/sign-in")
    page.goto(f"{site.url}/answers")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Name and password do not fit.")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("Name")).to_have_value(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.url}/answers")


def test_another_sites_page_signs_nobody_in_or_out(site, browse, flow):
    """The attacker's page has no origin of ours; its forms arrive with the browser's own words about that."""
    reviewer = flow.reviewer()
    visit = browse(expected=["status of 403"]).sign_in(site, reviewer)
    page = visit.page
    page.goto(site.url)
    for path in ("/sign-in", "/sign-out", "/account/sessions"):
        page.goto("about:blank")
        with page.expect_navigation():
            page.evaluate(
                """(action) => {
                  const form = document.createElement("form");
                  form.method = "post";
                  form.action = action;
                  document.body.append(form);
                  form.submit();
                }""",
                site.url + path,
            )
        expect(page.locator("body")).to_contain_text("another site's page")
    page.goto(f"{site.url}/answers")
    expect(page).to_have_url(f"{site.url}/answers")
