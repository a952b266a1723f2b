"""The task page and frames that mean no good: what they send does nothing."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.review_desk.portal.words import WORDS, at_work, drafted, frame, image, save, word_of, write
from tests.support.desk import unique

__all__ = ["image"]

HOSTILE = """
<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form>
  <p id="what">{{ task.input.labels[0] }}</p><crowd-input name="word" label="Word"></crowd-input>
</crowd-form>
<script>
  const say = (message) => parent.postMessage(message, "*");
  const cycle = {}; cycle.self = cycle;
  const bad = [
    null, 7, "text", [], {}, { desk: 2, type: "submit", answer: { word: "forged" } },
    { desk: 1, type: "submit" }, { desk: 1, type: "submit", answer: "text" },
    { desk: 1, type: "submit", answer: [1] }, { desk: 1, type: "submit", answer: cycle },
    { desk: 1, type: "submit", answer: { word: "x".repeat(2000000) } },
    { desk: 1, type: "draft", draft: { word: "y".repeat(2000000) } }, { desk: 1, type: "draft", draft: 5 },
    { desk: 1, type: "constructor" }, { desk: 1, type: "__proto__" },
    { desk: 1, type: "shortcut", name: "sign-out" }, { desk: 1, type: "shortcut", name: ["help"] },
  ];
  for (const message of bad) { try { say(message); } catch {} }
  // Again and again: a frame that has become ready takes its problem from before away.
  const loud = "<img src=x onerror=alert(1)>" + "z".repeat(5000);
  setInterval(say, 200, { desk: 1, type: "problem", message: loud });
  const reached = [];
  for (const reach of [() => parent.document.cookie, () => document.cookie, () => localStorage.length,
                       () => top.location.assign("/answers"), () => window.open("/")]) {
    try { reached.push(reach() === null ? "null" : "reached"); } catch (error) { reached.push(error.name); }
  }
  document.title = JSON.stringify(reached);
</script>
"""


def test_hostile_messages_from_a_frame_do_nothing(site, browse):
    flow = site.make_flow(HOSTILE)
    person = flow.reviewer()
    loop = flow.start(labels=["number 0"])
    visit = at_work(browse, site, person, expected=["sandbox", "Blocked", "Unsafe attempt"])
    page = visit.page
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    expect(page.locator("#notices")).to_contain_text("<img src=x onerror=alert(1)>")
    assert len(page.locator("#notices").inner_text()) < 500
    assert page.locator("#notices img").count() == 0
    reached = json.loads(frame(page).locator("title").text_content())
    assert reached[:4] == ["SecurityError"] * 4
    assert reached[4] in ("null", "SecurityError")
    assert page.url == f"{site.url}/work"
    assert len(visit.context.pages) == 1
    assert "yyyy" not in page.evaluate("JSON.stringify(localStorage)")
    assert flow.status(loop) == "InProgress"
    write(page, "honest", 0)
    save(page)
    assert word_of(flow, loop) == "honest"
    assert dialogs == []


LOUD = """
<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form>
  <p id="what">{{ task.input.labels[0] }}</p><crowd-input name="word" label="Word"></crowd-input>
</crowd-form>
<script>
  const say = () => parent.postMessage({ desk: 1, type: "submit", answer: { word: "by itself" } }, "*");
  setInterval(say, 100);
  setInterval(() => parent.postMessage({ desk: 1, type: "shortcut", name: "pause" }, "*"), 1);
  addEventListener("message", (event) => {
    if (event.data.type === "start") setInterval(say, 5);
  });
</script>
"""


def test_a_frame_loaded_ahead_cannot_answer_or_press_keys(site, browse, image):
    calm = site.make_flow(WORDS)
    person = calm.reviewer()
    calm.start(taskObject=image, labels=["number 0"])
    loud = site.make_flow(LOUD)
    site.add_worker(loud.team, person.name)
    loop = loud.start(labels=["loud"])
    page = at_work(browse, site, person).page
    expect(page.frame_locator("#stage iframe.ahead").locator("#what")).to_have_text("loud")
    write(page, unique("calm"), 0)
    drafted(page, "calm")
    expect(page.locator("#cover-paused")).to_be_hidden()
    assert loud.status(loop) == "InProgress"
    assert not page.locator("#stage iframe.ahead").is_visible()
