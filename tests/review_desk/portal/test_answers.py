"""My last answers, and correcting one while that is possible."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.review_desk.portal.words import (
    at_work,
    drafted,
    end_correcting,
    frame,
    image,
    save,
    word_of,
    words,
    write,
)

__all__ = ["image", "words"]


def test_an_answer_is_corrected_from_the_list(site, browse, words):
    flow, person, loops = words()
    page = at_work(browse, site, person).page
    write(page, "wrong", 0)
    save(page)
    expect(page.locator("#cover-empty")).to_be_visible()
    expect(page.get_by_role("link", name="Correct it")).to_be_visible()
    page.goto(f"{site.url}/answers")
    expect(page.locator("#answers tr")).to_have_count(1)
    expect(page.locator("#answers")).to_contain_text("s left")
    page.get_by_role("link", name="Correct Check the boxes").click()
    expect(frame(page).get_by_label("Word")).to_have_value("wrong")
    expect(page.locator("#place")).to_contain_text("correct until")
    frame(page).get_by_label("Word").fill("right")
    drafted(page, "right")
    page.reload()
    expect(frame(page).get_by_label("Word")).to_have_value("right")
    save(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("My last answers")
    assert word_of(flow, loops[0]) == "right"
    page.reload()
    expect(page.locator("#answers")).to_contain_text("corrected, final")
    assert page.get_by_role("link", name="Correct").count() == 0


def test_after_its_time_an_answer_stands_and_the_page_says_so(site, browse, words):
    flow, person, loops = words()
    page = at_work(browse, site, person, expected=["409"]).page
    write(page, "first", 0)
    save(page)
    page.get_by_role("link", name="Correct it").click()
    expect(frame(page).get_by_label("Word")).to_have_value("first")
    frame(page).get_by_label("Word").fill("late")
    end_correcting(flow, loops[0])
    save(page)
    expect(page.get_by_role("heading", name="This answer is final")).to_be_visible()
    expect(page.locator("#over-text")).to_contain_text("its answer is final")
    page.reload()
    expect(page.locator("#over-text")).to_contain_text("The time for corrections is over")
    page.get_by_role("button", name="Back to the tasks").click()
    expect(page.locator("#cover-empty")).to_be_visible()
    assert word_of(flow, loops[0]) == "first"


def test_another_persons_answer_cannot_be_opened(site, browse, words):
    flow, person, _ = words()
    task = person.next()["task"]
    page = at_work(browse, site, flow.reviewer(), f"/work?correct={task}", expected=["404"]).page
    expect(page.locator("#notices")).to_contain_text("You have no task")
    assert page.locator("#stage iframe").count() == 0
