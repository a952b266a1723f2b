"""Whether everybody can use the pages: names, landmarks, contrast, keys, narrow screens."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.review_desk.portal.contrast import LOW_CONTRAST
from tests.review_desk.portal.words import at_work, frame, image, words

__all__ = ["image", "words"]

PATHS = ("/", "/work", "/answers", "/flows")


def accessible(page: Page) -> list[dict[str, Any]]:
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [node for node in nodes if not node.get("ignored")]


def settled(page: Page) -> None:
    if page.url.endswith("/work"):
        expect(frame(page).get_by_label("Word")).to_be_focused()
    elif page.url.endswith("/answers"):
        expect(page.locator("#answers tr")).to_have_count(1)
    elif page.url.endswith("/"):
        expect(page.locator("#start")).to_be_focused()


def answered_once(words: Any) -> tuple[Any, Any]:
    flow, person, _ = words(3)
    task = person.next()
    answer = {"answerContent": {"word": "x"}, "correctable": True}
    assert person.call(f"/worker/tasks/{task['task']}/answer", answer)[0] == 200
    return flow, person


def test_every_control_has_a_name_and_every_page_its_landmarks(site, browse, words):
    flow, person = answered_once(words)
    page = browse().sign_in(site, person).page
    for path in (*PATHS, f"/flows/{flow.name}"):
        page.goto(site.url + path)
        settled(page)
        nodes = accessible(page)
        controls = [
            n for n in nodes if n["role"]["value"] in ("button", "link", "textbox", "radio", "Iframe")
        ]
        assert [n["role"] for n in controls if not n["name"]["value"].strip()] == [], path
        roles = [n["role"]["value"] for n in nodes]
        levels = [
            p["value"]["value"]
            for n in nodes
            if n["role"]["value"] == "heading"
            for p in n["properties"]
            if p["name"] == "level"
        ]
        assert (roles.count("main"), roles.count("banner"), levels.count(1)) == (1, 1, 1), path
        assert page.title().endswith("· Review Desk")
        assert page.locator("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(site, browse, words, dark: bool):
    flow, person = answered_once(words)
    page = browse(dark=dark).sign_in(site, person).page
    for path in (*PATHS, f"/flows/{flow.name}", "/sign-in"):
        page.goto(site.url + path)
        settled(page) if path in PATHS else None
        result = page.evaluate(LOW_CONTRAST)
        assert result["seen"] >= 3, path
        assert result["found"] == [], path
    page.goto(f"{site.url}/work")
    settled(page)
    for button in ("Decline…", "Hand back…", "Keys"):
        page.get_by_role("button", name=button).click()
        assert page.evaluate(LOW_CONTRAST)["found"] == [], button
        page.keyboard.press("Escape")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#cover-paused")).to_be_visible()
    assert page.evaluate(LOW_CONTRAST)["found"] == []


def test_nothing_is_wider_than_a_narrow_screen(site, browse, words):
    flow, person = answered_once(words)
    page = browse(width=360, height=740, touch=True).sign_in(site, person).page
    for path in (*PATHS, f"/flows/{flow.name}"):
        page.goto(site.url + path)
        if path == "/work":
            expect(frame(page).get_by_label("Word")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        small = page.evaluate(
            "() => [...document.querySelectorAll('button, a.button')]"
            ".filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 40)"
            ".map((e) => e.textContent)"
        )
        assert small == [], path


def test_keys_alone_reach_everything_and_the_focus_is_seen(site, browse, words):
    _, person = answered_once(words)
    page = at_work(browse, site, person, "/").page
    settled(page)
    # Back over the theme button, the name and the links, past the first thing of the page.
    for _ in range(9):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.className") == "skip":
            break
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    reached = set()
    for _ in range(12):
        focused = page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.textContent.trim(), s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]; }"
        )
        assert focused[1] or page.evaluate("document.activeElement === document.body"), focused
        reached.add(focused[0])
        page.keyboard.press("Tab")
    assert {"Queue", "My answers", "Theme: auto", "Sign out", "Start"} <= reached
    page = at_work(browse, site, person).page
    settled(page)
    frame(page).locator("#what").click()
    page.locator("#title").click()
    page.keyboard.press("x")
    dialog = page.get_by_role("dialog", name="Decline this task")
    expect(dialog.get_by_role("radio").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(frame(page).get_by_label("Word")).to_be_focused()
    page.locator("#title").click()
    page.keyboard.press("p")
    expect(page.locator("#resume")).to_be_focused()
    page.keyboard.press("p")
    expect(frame(page).get_by_label("Word")).to_be_focused()


def test_without_javascript_a_sentence_says_so(site, browse, words):
    _, person, _ = words()
    context = browse().sign_in(site, person).context
    for path in ("/", "/work", "/answers"):
        # Chromium parses <noscript> as if scripts ran, also when Playwright switches them off.
        assert "<noscript><p" in context.request.get(site.url + path).text()
