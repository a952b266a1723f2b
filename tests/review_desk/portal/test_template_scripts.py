"""What scripts in templates for AWS do with crowd elements, beyond what the guide documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from include.review_desk.errors import BadAnswer
from include.review_desk.work.answers import check_answer
from include.review_desk.worker_templates.crowd import find_elements
from tests.review_desk.portal.editor import plain_image
from tests.review_desk.portal.forms import form, landed
from tests.support.desk import BUCKET, Site

SIZE = {"height": 480, "width": 640}
GROWING = (
    form(
        """<crowd-bounding-box id="editor" name="_" labels="['leaf 1']"
             src="{{ task.input.taskObject | grant_read_access }}">
             <short-instructions><crowd-button id="more">One more leaf</crowd-button></short-instructions>
           </crowd-bounding-box>
           <input type="hidden" id="leaves" name="leaves"><input type="hidden" name="_" value="_">"""
    )
    + """<script>
      const editor = document.getElementById("editor");
      document.getElementById("more").onclick = () => {
        editor.labels = editor.labels.concat([`leaf ${editor.labels.length + 1}`]);
      };
      document.querySelector("crowd-form").onsubmit = () => {
        document.getElementById("leaves").value = JSON.stringify(editor._submittableValue.boundingBoxes);
      };
    </script>"""
)
SWITCHES = (
    form(
        """<crowd-button><span>Dog</span></crowd-button><crowd-button><span>Cat</span></crowd-button>
           <input type="hidden" id="on" name="on" value="[]">"""
    )
    + """<script>
      const buttons = [...document.querySelectorAll("crowd-button")];
      for (const button of buttons) {
        button.onmouseup = () => { button.disabled = !button.disabled; };
        button.onclick = () => { button.dataset.clicked = "yes"; };
      }
      document.querySelector("crowd-form").onsubmit = () => {
        const on = buttons.filter((button) => button.disabled).map((button) => button.textContent);
        document.getElementById("on").value = JSON.stringify(on);
      };
    </script>"""
)


def test_a_script_adds_labels_while_the_task_is_shown(site: Site, make_flow: Any, open_frame: Any):
    site.client("s3").put_object(Bucket=BUCKET, Key="leaves.png", Body=plain_image(640, 480))
    flow = make_flow(GROWING)
    loop = flow.start(taskObject=f"s3://{BUCKET}/leaves.png")
    task = open_frame(flow.reviewer())
    editor = task.frame.locator("#editor")
    editor.evaluate("editor => editor.focus()")
    task.page.keyboard.press("n")
    task.page.keyboard.press("Enter")
    task.frame.get_by_role("button", name="Instructions").click()
    task.frame.get_by_text("One more leaf").click()
    expect(editor.locator(".bb-label")).to_have_text(["leaf 11", "leaf 22"])
    editor.evaluate("editor => editor.focus()")
    task.page.keyboard.press("2")
    expect(editor.locator(".bb-box .bb-text")).to_have_text("leaf 2")
    boxes = editor.evaluate("editor => editor.value.boundingBoxes")
    assert [box["label"] for box in boxes] == ["leaf 2"]
    task.submit()
    answer = landed(flow, loop)
    assert answer["_"] == "_"
    assert json.loads(answer["leaves"]) == boxes


def test_buttons_that_a_script_disables_are_switched_on_again(make_flow: Any, open_frame: Any):
    flow = make_flow(SWITCHES)
    loop = flow.start()
    task = open_frame(flow.reviewer())
    dog, cat = (task.frame.locator("crowd-button", has_text=name) for name in ("Dog", "Cat"))
    dog.click()
    cat.click()
    expect(dog).to_have_attribute("disabled", "")
    dog.evaluate("button => { delete button.dataset.clicked; }")
    dog.click(force=True)
    expect(dog).not_to_have_attribute("disabled", "")
    cat.click(force=True)
    cat.click()
    task.submit()
    assert landed(flow, loop) == {"on": '["Cat"]'}


def test_a_disabled_button_is_not_clicked(make_flow: Any, open_frame: Any):
    flow = make_flow(
        form('<crowd-button form-action="submit" disabled>Send</crowd-button><crowd-input name="word">')
        + "<script>const button = document.querySelector('crowd-button');"
        "button.onclick = () => { button.dataset.clicked = 'yes'; };</script>"
    )
    flow.start()
    task = open_frame(flow.reviewer())
    button = task.frame.locator("crowd-button")
    button.click(force=True)
    button.evaluate("button => { button.click(); button.firstChild.parentElement.click(); }")
    assert button.get_attribute("data-clicked") is None
    assert task.said("submit") == []


BOX = '<crowd-bounding-box name="b" labels="[\'x\']"></crowd-bounding-box>'


@pytest.mark.parametrize(
    ("template", "label", "taken"),
    [
        (BOX, "x", True),
        (BOX, "y", False),
        (BOX + '<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>', "y", False),
        (BOX + "<script>document.querySelector('crowd-bounding-box').labels = ['y']</script>", "y", True),
    ],
)
def test_labels_are_held_to_where_no_script_can_add_to_them(template: str, label: str, taken: bool):
    box = {"left": 1, "top": 2, "width": 3, "height": 4, "label": label}
    content = {"b": {"boundingBoxes": [box], "inputImageProperties": SIZE}}
    if taken:
        check_answer(content, find_elements(template))
    else:
        with pytest.raises(BadAnswer, match="none of the template's labels"):
            check_answer(content, find_elements(template))


def test_an_element_whose_name_a_field_takes_over_is_not_asked_for():
    check_answer({"b": "b"}, find_elements(BOX + '<input type="hidden" name="b" value="b">'))
    with pytest.raises(BadAnswer, match='an object "b"'):
        check_answer({"b": "b"}, find_elements(BOX + '<input type="hidden" name="c" value="b">'))
