"""The task page in a real browser: from the queue to output.json, and whatever may come between."""

from __future__ import annotations

from playwright.sync_api import Route, expect
from sqlalchemy import select

from include.review_desk.storage import schema
from tests.review_desk.portal.words import (
    NO_CONNECTION,
    at_work,
    drafted,
    end_correcting,
    frame,
    image,
    save,
    task_of,
    word_of,
    words,
    write,
)
from tests.support.desk import Site
from tests.support.reviewer import Reviewer
from tests.support.servers import wait_for

__all__ = ["image", "words"]


def test_from_the_queue_to_output_json_with_keys_alone(site, browse, words):
    flow, person, loops = words(2)
    visit = browse().sign_in(site, person)
    images: list[str] = []
    visit.page.on("request", lambda request: "drawn.png" in request.url and images.append(request.url))
    visit.page.goto(site.url)
    expect(visit.page.locator("#waiting")).to_have_text("2")
    expect(visit.page.locator("#start")).to_be_focused()
    visit.page.keyboard.press("Enter")
    expect(frame(visit.page).locator("#what")).to_have_text("number 0")
    # The next one is loaded behind it, and shown without being loaded again.
    expect(visit.page.locator("#stage iframe.ahead")).to_have_count(1)
    ahead = visit.page.frame_locator("#stage iframe.ahead")
    expect(ahead.locator("#what")).to_have_text("number 1")
    frames: list[str] = []
    visit.page.on("request", lambda request: "/frames/" in request.url and frames.append(request.url))
    write(visit.page, "first")
    save(visit.page)
    write(visit.page, "second", 1)
    assert frames == []
    save(visit.page)
    expect(visit.page.locator("#empty-text")).to_contain_text("You answered 2 today")
    assert [word_of(flow, loop) for loop in loops] == ["first", "second"]
    assert len(images) == 2


def test_a_reload_in_the_middle_brings_the_draft_back(site, browse, words):
    flow, person, loops = words()
    page = at_work(browse, site, person).page
    write(page, "half")
    drafted(page, "half")
    page.reload()
    expect(frame(page).get_by_label("Word")).to_have_value("half")
    expect(page.locator("#notices")).to_contain_text("are back")
    save(page)
    assert word_of(flow, loops[0]) == "half"
    page.wait_for_function("!JSON.stringify(localStorage).includes('half')")


def test_saving_twice_gives_one_answer(site, browse, words):
    flow, person, loops = words(2)
    page = at_work(browse, site, person).page
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/answer" in request.url else None)
    write(page, "once", 0)
    for _ in range(3):
        save(page)
    write(page, "next", 1)
    save(page)
    expect(page.locator("#cover-empty")).to_be_visible()
    assert [word_of(flow, loop) for loop in loops] == ["once", "next"]
    assert len(sent) == 2


def test_without_a_network_the_answer_waits_also_over_a_reload(site, browse, words):
    flow, person, loops = words()
    visit = at_work(browse, site, person, expected=NO_CONNECTION)
    page = visit.page
    write(page, "kept", 0)
    visit.context.set_offline(True)
    save(page)
    expect(page.locator("#notices")).to_contain_text("Not saved yet")
    # Now the network is back, but the desk's answers get lost, after it has taken them in.
    lost: list[int] = []

    def lose(route: Route) -> None:
        route.fetch()
        lost.append(1)
        route.abort()

    page.route("**/answer", lose)
    visit.context.set_offline(False)
    wait_for(lambda: page.wait_for_timeout(20) or lost, 10)
    page.reload()
    expect(page.locator("#notices")).to_contain_text("Not saved yet")
    page.unroute("**/answer")
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("#cover-empty")).to_be_visible()
    expect(page.locator("#notices")).to_contain_text("is saved now")
    assert word_of(flow, loops[0]) == "kept"


def test_two_browsers_of_one_person_never_hold_two_copies(site, browse, words):
    _, person, _ = words(2)
    one = at_work(browse, site, person).page
    other = at_work(browse, site, Reviewer(site.url, person.name)).page
    expect(frame(one).locator("#what")).to_have_text("number 0")
    expect(frame(other).locator("#what")).to_have_text("number 1")
    third = at_work(browse, site, Reviewer(site.url, person.name)).page
    expect(third.locator("#cover-empty")).to_be_visible()
    third.goto(site.url)
    expect(third.locator("#mine")).to_have_text("2")


def test_pause_covers_the_image_over_a_reload_and_one_key_resumes(site, browse, words):
    flow, person, loops = words()
    page = at_work(browse, site, person).page
    write(page, "before")
    drafted(page, "before")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#stage iframe:not(.ahead)")).not_to_be_visible()
    state = wait_for(lambda: person.call(f"/worker/tasks/{task_of(person)}", method="GET")[1]["paused"])
    assert state is True
    page.reload()
    expect(page.locator("#resume")).to_be_focused()
    page.keyboard.press("Enter")
    expect(frame(page).get_by_label("Word")).to_have_value("before")
    save(page)
    assert word_of(flow, loops[0]) == "before"


def test_declining_gives_the_reason_and_never_comes_back(site, browse, words):
    flow, person, loops = words()
    page = at_work(browse, site, person).page
    expect(frame(page).locator("#what")).to_be_visible()
    page.get_by_role("button", name="Decline…").click()
    dialog = page.get_by_role("dialog", name="Decline this task")
    dialog.get_by_role("radio", name="Another reason").check()
    dialog.get_by_role("button", name="Decline").click()
    expect(dialog).to_be_visible()
    dialog.get_by_label("In your own words").fill('<b>"upside down"</b>')
    dialog.get_by_role("button", name="Decline").click()
    expect(page.locator("#cover-empty")).to_be_visible()
    assert person.next() is None
    assert flow.status(loops[0]) == "InProgress"
    assert decline_reason(site, person) == '<b>"upside down"</b>'


def decline_reason(site: Site, person: Reviewer) -> str:
    assignments, workers = schema.assignments, schema.workers
    reason = select(assignments.c.decline_reason).join(workers, workers.c.id == assignments.c.worker_id)
    with site.database.read() as connection:
        return str(connection.scalars(reason.where(workers.c.name == person.name)).one())


def test_a_task_handed_back_waits_again_with_its_draft(site, browse, words):
    _, person, _ = words()
    page = at_work(browse, site, person).page
    write(page, "so far")
    drafted(page, "so far")
    page.get_by_role("button", name="Hand back…").click()
    page.get_by_role("dialog").get_by_role("button", name="Hand back").click()
    expect(page.locator("#waiting")).to_have_text("1")
    expect(page.locator("#mine")).to_have_text("0")
    page.locator("#start").click()
    expect(frame(page).get_by_label("Word")).to_have_value("so far")


def test_a_task_that_went_to_another_window_says_so_and_goes_on(site, browse, words):
    flow, person, loops = words(2)
    page = at_work(browse, site, person, expected=["409"]).page
    write(page, "mine", 0)
    task = task_of(person)
    answer = {"answerContent": {"word": "theirs"}}
    assert person.call(f"/worker/tasks/{task}/answer", answer)[0] == 200
    save(page)
    expect(page.locator("#over-text")).to_contain_text("the first answer counts")
    expect(page.locator("#over-next")).to_be_focused()
    page.keyboard.press("Enter")
    write(page, "second", 1)
    save(page)
    assert [word_of(flow, loop) for loop in loops] == ["theirs", "second"]


def test_signed_out_in_the_middle_loses_nothing(site, browse, words):
    flow, person, loops = words()
    visit = at_work(browse, site, person, expected=["401"])
    page = visit.page
    write(page, "before signing in")
    person.call("/worker/sessions", method="DELETE")
    save(page)
    dialog = page.get_by_role("dialog", name="You are signed out")
    assert dialog.get_by_role("link", name="Sign in").get_attribute("href") == "/sign-in?next=%2Fwork"
    visit.sign_in(site, Reviewer(site.url, person.name))
    page.goto(f"{site.url}/work")
    expect(page.locator("#notices")).to_contain_text("is saved now")
    assert word_of(flow, loops[0]) == "before signing in"


def test_another_person_on_the_same_browser_sees_no_draft_and_sends_nothing(site, browse, words):
    flow, person, loops = words(TaskCount=2)
    visit = at_work(browse, site, person, expected=["401"])
    page = visit.page
    write(page, "private")
    person.call("/worker/sessions", method="DELETE")
    save(page)
    expect(page.get_by_role("dialog")).to_be_visible()
    other = flow.reviewer()
    visit.sign_in(site, other)
    page.goto(f"{site.url}/work")
    expect(frame(page).get_by_label("Word")).to_have_value("")
    write(page, "other")
    save(page)
    expect(page.locator("#cover-empty")).to_be_visible()
    assert flow.status(loops[0]) == "InProgress"
    visit.sign_in(site, Reviewer(site.url, person.name))
    page.goto(f"{site.url}/work")
    expect(page.locator("#cover-empty")).to_be_visible()
    end_correcting(flow, loops[0])
    words_given = [answer["answerContent"]["word"] for answer in flow.output(loops[0])["humanAnswers"]]
    assert sorted(words_given) == ["other", "private"]


def test_the_time_limit_is_announced_and_a_late_task_is_not_lost(site, browse, words):
    _, person, _ = words(TaskTimeLimitInSeconds=900)
    page = at_work(browse, site, person, clock=True, expected=NO_CONNECTION).page
    write(page, "late", 0)
    # The desk's clock stays behind: what it answers from now on would turn the page's clock back.
    page.wait_for_load_state("networkidle")
    page.route("**/worker/**", lambda route: route.abort())
    page.clock.run_for(11 * 60_000)
    expect(page.locator("#notices")).to_contain_text("5 min left, until")
    expect(page.locator("#elapsed")).to_have_text("11 min")
    page.clock.run_for(3 * 60_000 + 30_000)
    expect(page.locator("#notices")).to_contain_text("1 min left, until")
    page.clock.run_for(60_000)
    expect(page.locator("#over-text")).to_contain_text("went back to the queue")


def test_help_lists_the_keys_and_gives_the_focus_back(site, browse, words):
    _, person, _ = words()
    page = at_work(browse, site, person).page
    expect(frame(page).get_by_label("Word")).to_be_focused()
    page.get_by_role("button", name="Keys").click()
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("Save and next")
    expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(frame(page).get_by_label("Word")).to_be_focused()
