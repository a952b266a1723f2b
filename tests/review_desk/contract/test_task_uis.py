"""Human task UIs and RenderUiTemplate."""

from __future__ import annotations

import hashlib
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.desk import ROLE, TEMPLATE, input_content, unique

from .calls import OTHER_ROLE, PREFIX, error_of

HOUR = timedelta(hours=1)


def create(sagemaker, content: str = "x") -> str:
    name = unique("ui")
    sagemaker.create_human_task_ui(HumanTaskUiName=name, UiTemplate={"Content": content})
    return name


def errors_of(sagemaker, content: str, task_input: str) -> list[tuple[str, str]]:
    found = sagemaker.render_ui_template(
        UiTemplate={"Content": content}, Task={"Input": task_input}, RoleArn=ROLE
    )
    assert found["RenderedContent"] == ""
    return [(error["Code"], error["Message"]) for error in found["Errors"]]


def test_creating_a_task_ui_answers_its_arn(sagemaker):
    name = unique("ui")
    found = sagemaker.create_human_task_ui(HumanTaskUiName=name, UiTemplate={"Content": "x"})
    assert found["HumanTaskUiArn"] == f"{PREFIX}:human-task-ui/{name}"


def test_a_task_ui_is_active_and_known_by_its_hash_and_time(sagemaker):
    found = sagemaker.describe_human_task_ui(HumanTaskUiName=create(sagemaker, TEMPLATE))
    assert found["HumanTaskUiStatus"] == "Active"
    assert found["UiTemplate"]["ContentSha256"] == hashlib.sha256(TEMPLATE.encode()).hexdigest()
    assert abs(found["CreationTime"] - datetime.now(UTC)) < HOUR


def test_the_url_of_a_task_ui_answers_its_template_as_plain_text(sagemaker):
    content = "<script>\N{MICROSCOPE}</script>" + unique("x")
    found = sagemaker.describe_human_task_ui(HumanTaskUiName=create(sagemaker, content))
    with urllib.request.urlopen(found["UiTemplate"]["Url"]) as response:
        assert response.read().decode() == content
        assert response.headers["Content-Type"].startswith("text/plain")


def test_two_task_uis_may_have_the_same_template(sagemaker):
    content = unique("shared")
    first, second = create(sagemaker, content), create(sagemaker, content)
    sagemaker.delete_human_task_ui(HumanTaskUiName=first)
    assert sagemaker.describe_human_task_ui(HumanTaskUiName=second)["HumanTaskUiStatus"] == "Active"


def test_the_name_of_a_task_ui_is_taken_once_and_free_after_deletion(sagemaker):
    name = create(sagemaker, "a")
    again = {"HumanTaskUiName": name, "UiTemplate": {"Content": "b"}}
    code, message, status = error_of(sagemaker.create_human_task_ui, **again)
    assert (code, status, name in message) == ("ResourceInUse", 400, True)
    sagemaker.delete_human_task_ui(HumanTaskUiName=name)
    sagemaker.create_human_task_ui(**again)
    found = sagemaker.describe_human_task_ui(HumanTaskUiName=name)
    assert found["UiTemplate"]["ContentSha256"] == hashlib.sha256(b"b").hexdigest()


@pytest.mark.parametrize("operation", ["describe_human_task_ui", "delete_human_task_ui"])
def test_an_unknown_task_ui_is_not_found(sagemaker, operation: str):
    code, message, status = error_of(getattr(sagemaker, operation), HumanTaskUiName="no-ui")
    assert (code, status) == ("ResourceNotFound", 400)
    assert f"{PREFIX}:human-task-ui/no-ui" in message


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"HumanTaskUiName": "Upper"}, "'humanTaskUiName'"),
        ({"UiTemplate": {"Content": ""}}, "greater than or equal to 1"),
        ({"UiTemplate": {"Content": "x" * 128_001}}, "less than or equal to 128000"),
        ({"UiTemplate": {}}, "'uiTemplate.content' failed to satisfy constraint: Member must not be null"),
    ],
)
def test_a_task_ui_beyond_the_model_is_refused(unchecked, change: dict, part: str):
    request = {"HumanTaskUiName": unique("ui"), "UiTemplate": {"Content": "x"}} | change
    code, message, _ = error_of(unchecked("sagemaker").create_human_task_ui, **request)
    assert (code, part in message) == ("ValidationException", True)


def test_a_template_of_128000_characters_is_taken(sagemaker):
    create(sagemaker, "\N{MICROSCOPE}" * 128_000)


def test_a_template_that_cannot_be_rendered_can_be_created(sagemaker):
    create(sagemaker, "{{ broken | ")


def test_task_uis_are_listed_newest_first_in_pages_and_turned(sagemaker):
    names = [create(sagemaker) for _ in range(5)]
    since = sagemaker.describe_human_task_ui(HumanTaskUiName=names[0])["CreationTime"]
    pages = sagemaker.get_paginator("list_human_task_uis").paginate(
        CreationTimeAfter=since, PaginationConfig={"PageSize": 2}
    )
    found = [ui["HumanTaskUiName"] for page in pages for ui in page["HumanTaskUiSummaries"]]
    assert found == names[::-1]
    turned = sagemaker.list_human_task_uis(CreationTimeAfter=since, SortOrder="Ascending")
    assert [ui["HumanTaskUiName"] for ui in turned["HumanTaskUiSummaries"]] == names


def test_task_uis_created_before_a_moment_leave_out_that_moment(sagemaker):
    name = create(sagemaker)
    when = sagemaker.describe_human_task_ui(HumanTaskUiName=name)["CreationTime"]
    before = sagemaker.list_human_task_uis(CreationTimeBefore=when)["HumanTaskUiSummaries"]
    assert name not in [ui["HumanTaskUiName"] for ui in before]


def test_render_ui_template_shows_the_page_of_a_task_ui(sagemaker):
    arn = f"{PREFIX}:human-task-ui/{create(sagemaker, TEMPLATE)}"
    found = sagemaker.render_ui_template(HumanTaskUiArn=arn, Task={"Input": input_content()}, RoleArn=ROLE)
    assert found["Errors"] == []
    assert "crowd-bounding-box" in found["RenderedContent"]


def test_render_ui_template_shows_the_page_of_a_template(sagemaker):
    found = sagemaker.render_ui_template(
        UiTemplate={"Content": "<p>{{ task.input.a }}</p>"}, Task={"Input": '{"a": "<b>"}'}, RoleArn=ROLE
    )
    assert (found["RenderedContent"], found["Errors"]) == ("<p>&lt;b&gt;</p>", [])


def test_a_page_whose_answers_would_be_refused_is_rendered_with_errors_that_say_so(sagemaker):
    template = (
        '<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>'
        '<script src="https://cdn.example.org/a.js"></script><crowd-form><crowd-slider></crowd-slider>'
        "<crowd-keypoint name='k'></crowd-keypoint><iframe src='https://example.org/page'></iframe>"
        "<img src='https://pictures.example.org/1.png'></crowd-form>"
    )
    found = sagemaker.render_ui_template(UiTemplate={"Content": template}, Task={"Input": "{}"}, RoleArn=ROLE)
    assert found["RenderedContent"] == template
    assert {error["Code"] for error in found["Errors"]} == {"AnswersWouldBeRefused"}
    assert [error["Message"].partition(":")[0] for error in found["Errors"]] == [
        "The script https",
        "<crowd-slider> has no name",
        "<crowd-keypoint> is not known to the Review Desk",
        "The page embedded with <iframe> is not shown",
        "<img> would load from pictures.example.org, which is not one of --image-origin",
    ]


def test_an_input_that_does_not_fit_is_an_error_within_the_answer(sagemaker):
    assert errors_of(sagemaker, "{{ task.input.taskObject | grant_read_access }}", "{}") == [
        ("InvalidParameters", '"grant_read_access" input is not a valid S3 URI: "".')
    ]


def test_a_template_that_is_no_liquid_is_an_error_within_the_answer(sagemaker):
    [(code, message)] = errors_of(sagemaker, "{{ x | nope }}", "{}")
    assert (code, "nope" in message) == ("TemplateSyntaxError", True)


def test_a_template_without_end_is_an_error_within_the_answer(sagemaker):
    endless = "{% for a in (1..9999) %}{% for b in (1..9999) %}x{% endfor %}{% endfor %}"
    [(code, _)] = errors_of(sagemaker, endless, "{}")
    assert code == "TemplateLimitExceeded"


def test_an_input_that_is_no_json_is_an_error_within_the_answer(sagemaker):
    [(code, message)] = errors_of(sagemaker, "x", "{]")
    assert (code, "not valid JSON" in message) == ("InvalidParameters", True)


def test_render_ui_template_wants_exactly_one_template(sagemaker):
    request = {"Task": {"Input": "{}"}, "RoleArn": ROLE}
    both = request | {"UiTemplate": {"Content": "x"}, "HumanTaskUiArn": f"{PREFIX}:human-task-ui/x"}
    for wrong in (request, both):
        assert error_of(sagemaker.render_ui_template, **wrong)[0] == "ValidationException"


def test_render_ui_template_of_an_unknown_task_ui_is_not_found(sagemaker):
    request = {"Task": {"Input": "{}"}, "RoleArn": ROLE, "HumanTaskUiArn": f"{PREFIX}:human-task-ui/no-ui"}
    assert error_of(sagemaker.render_ui_template, **request)[0] == "ResourceNotFound"


def test_render_ui_template_wants_a_role_that_can_be_assumed(sagemaker):
    request = {"Task": {"Input": "{}"}, "RoleArn": OTHER_ROLE, "UiTemplate": {"Content": "x"}}
    code, message, _ = error_of(sagemaker.render_ui_template, **request)
    assert (code, message.startswith(f"Could not assume role {OTHER_ROLE}")) == ("ValidationException", True)
    assert "Start it with --account-id 999999999999" in message


def test_render_ui_template_takes_less_input_than_a_loop(sagemaker):
    request = {"Task": {"Input": "1" * 128_001}, "RoleArn": ROLE, "UiTemplate": {"Content": "x"}}
    code, message, _ = error_of(sagemaker.render_ui_template, **request)
    assert (code, "less than or equal to 128000" in message) == ("ValidationException", True)
