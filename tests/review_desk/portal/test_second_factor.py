"""A second factor set up and used in a real browser, on a narrow screen."""

from __future__ import annotations

import base64
import time

from playwright.sync_api import Page, expect

from include.review_desk.people import totp
from tests.review_desk.portal.contrast import LOW_CONTRAST
from tests.support.reviewer import PASSWORD


def fits_and_is_legible(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate(LOW_CONTRAST)["found"] == []


def test_a_lead_sets_up_a_second_factor_and_signs_in_with_it(site, browse, flow):
    reviewer = flow.reviewer()
    visit = browse(expected=["status of 401", "status of 400"], width=360, height=740).sign_in(site, reviewer)
    page = visit.page
    page.goto(f"{site.url}/account")
    page.locator("#present").fill(PASSWORD)
    page.get_by_role("button", name="Set up").click()
    secret = base64.b32decode(page.locator("#secret").inner_text().replace(" ", ""))
    assert page.get_by_role("link", name="open this link").get_attribute("href").startswith("otpauth://totp/")
    fits_and_is_legible(page)
    page.get_by_label("Code that the app shows now").fill("12 34")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_label("Code that the app shows now").fill(totp.code_at(secret, int(time.time()) // 30))
    page.keyboard.press("Enter")
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    recovery = page.locator("#recovery-codes li").first.inner_text()
    fits_and_is_legible(page)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("Recovery codes left: 10")).to_be_visible()
    fits_and_is_legible(page)

    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{site.url}/answers")
    page.get_by_label("Name").fill(reviewer.name)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code")).to_be_focused()
    fits_and_is_legible(page)
    page.get_by_label("Code").fill("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_label("Code").fill(recovery)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.url}/answers")
