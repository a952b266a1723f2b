"""Object keys, labels and inputs of any text are shown as that text, and answer as that text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.review_desk.portal.forms import form
from tests.review_desk.portal.pictures import drawn_image
from tests.support.desk import BUCKET

if TYPE_CHECKING:
    from tests.support.desk import Site

TEXTS = [
    "\"quotes\" and 'quotes'",
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title = 'owned'\">",
    "{{ task.input.secret }} {% raw %}",
    "&lt;b&gt; &amp;",
    "🩸👩‍🔬",
    "חתול كلب",
    "\u202egpj.tac\u202c",
    "</crowd-form></script>]]>",
    "a\\b `${1}`",
]
KEY = "images/\"q\" 'q' <b>&amp; {{x}} +%20#?=🩸 \u202efed כלב.png"
CLASSIFIER = """<crowd-image-classifier name="category" header="{{ task.input.title }}"
  src="{{ task.input.taskObject | grant_read_access }}"
  categories="{{ task.input.labels | to_json | escape }}">
  <short-instructions><p class="key">{{ task.input.taskObject }}</p></short-instructions>
</crowd-image-classifier>
<crowd-input name="note" label="{{ task.input.title }}" value="{{ task.input.title }}"></crowd-input>
<input type="hidden" name="all" value="{{ task.input.labels | to_json | escape }}">"""


def test_hostile_texts_are_texts(site: Site, make_flow: Any, open_frame: Any):
    site.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=drawn_image(), ContentType="image/png")
    flow = make_flow(form(CLASSIFIER))
    title = " ".join(TEXTS)
    loop = flow.start(labels=TEXTS, taskObject=f"s3://{BUCKET}/{KEY}", title=title, secret="s3cret")
    task = open_frame(flow.reviewer())
    task.frame.locator("crowd-image-classifier h1").wait_for()
    assert task.frame.locator("crowd-image-classifier h1").inner_text() == title
    assert task.frame.locator("fieldset bdi").all_inner_texts() == TEXTS
    assert task.frame.locator(".key").inner_text() == f"s3://{BUCKET}/{KEY}"
    # An image of that key was really loaded.
    assert task.frame.locator("crowd-image-classifier img").evaluate("image => image.naturalWidth") > 100
    assert task.frame.locator("html").evaluate("() => document.title") == "Task"
    # A label that changes the direction of text does not reach beyond itself.
    override = task.frame.locator("fieldset label", has_text="gpj.tac")
    assert override.locator("bdi").evaluate("node => getComputedStyle(node).unicodeBidi") == "isolate"
    override.click()
    answer = task.submit()
    assert answer["category"] == {"label": "\u202egpj.tac\u202c"}
    assert answer["note"] == title
    assert json.loads(answer["all"]) == TEXTS
    flow.ended(loop)
    assert flow.output(loop)["humanAnswers"][0]["answerContent"] == answer


def test_hostile_text_stays_text_on_the_way_back(make_flow: Any, open_frame: Any):
    flow = make_flow(form('<crowd-text-area name="essay" label="Essay"></crowd-text-area>'))
    text = "\n".join(TEXTS) + "\u2028"
    loop = flow.start()
    task = open_frame(
        flow.reviewer(), start={"draft": {"version": 1, "fields": {"essay": [text + "\u0000"]}}}
    )
    assert task.frame.get_by_label("Essay").input_value() == text + "\u0000"
    task.submit()
    flow.ended(loop)
    assert flow.output(loop)["humanAnswers"][0]["answerContent"] == {"essay": text}
