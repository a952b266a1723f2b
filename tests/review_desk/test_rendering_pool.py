"""Templates run in processes of their own, which are ended whatever they are doing."""

from __future__ import annotations

import os
import re
import signal
import threading
from contextlib import closing
from pathlib import Path

import pytest

from include.review_desk.errors import LinkUnavailable, RenderFailure
from include.review_desk.worker_templates.pool import RenderingPool
from include.review_desk.worker_templates.rendering import NO_LINK, Renderer

pytestmark = pytest.mark.usefixtures("programs")

# Longer than the tests' limit of processor time, and within what the limits themselves allow.
SLOW = "{% for i in (1..49000) %}{% if task.input.a == task.input.b %}x{% endif %}{% endfor %}"
SLOW_INPUT = {"a": list(range(2000)), "b": list(range(2000))}
IMAGE = "{{ task.input.taskObject | grant_read_access }}"


def children() -> set[int]:
    """The processes that this one started and that live."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == os.getpid() and state != "Z":
            found.add(int(folder.name))
    return found


def presign(bucket: str, key: str, _seconds: int) -> str:
    return f"https://s3/{bucket}/{key}"


@pytest.fixture
def pool():
    with closing(RenderingPool(processes=1, killed_after_seconds=0.5)) as pool:
        yield pool


def test_a_page_is_the_same_as_in_this_process(pool):
    template = "<b>{{ task.input.text }}</b>{{ task.input | to_json }}" + IMAGE
    task_input = {
        "text": "<&\"'🩸",
        "half": "\ud83d",
        "numbers": [1, 2.5, 10**30, None],
        "taskObject": "s3://bucket/a.jpg",
    }
    expected = Renderer(presign).render(template, task_input)
    assert Renderer(presign, pool).render(template, task_input) == expected


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("{% if %}", "TemplateSyntaxError"),
        ("{{ 'x' | grant_read_access }}", "InvalidParameters"),
        ("{% for i in (1..60000) %}x{% endfor %}", "TemplateLimitExceeded"),
    ],
)
def test_a_fault_of_a_template_is_told_as_in_this_process(pool, template: str, code: str):
    with pytest.raises(RenderFailure) as here:
        Renderer(presign).render(template, {})
    with pytest.raises(RenderFailure) as there:
        Renderer(presign, pool).render(template, {})
    assert (there.value.code, there.value.message) == (code, here.value.message)


def test_links_are_made_by_the_desk_and_refused_by_it(pool):
    def unsigned(_bucket: str, _key: str, _seconds: int) -> str:
        raise LinkUnavailable("InvalidParameters", "no credentials")

    task_input = {"taskObject": "s3://bucket/a.jpg"}
    renderer = Renderer(unsigned, pool)
    with pytest.raises(LinkUnavailable, match="no credentials"):
        renderer.render(IMAGE, task_input)
    renderer.try_out(IMAGE, task_input)
    page = renderer.page(IMAGE, task_input)
    assert (page.html, page.link_faults) == (NO_LINK, ("no credentials",))
    assert Renderer(presign, pool).render_unlinked(IMAGE, task_input) == NO_LINK


def test_a_template_is_ended_by_the_kernel_and_the_next_one_renders(pool):
    renderer = Renderer(presign, pool)
    with pytest.raises(RenderFailure) as told:
        renderer.render(SLOW, SLOW_INPUT)
    assert told.value.code == "TemplateLimitExceeded"
    assert "takes more than" in told.value.message
    assert renderer.render("{{ task.input.x }}", {"x": 1}) == "1"


def test_a_process_that_dies_between_two_templates_is_replaced_unnoticed(pool):
    renderer = Renderer(presign, pool)
    before = children()
    assert renderer.render("one", {}) == "one"
    [process] = children() - before
    os.kill(process, signal.SIGKILL)
    while process in children():
        pass
    assert renderer.render("two", {}) == "two"


def test_answers_and_pages_do_not_wait_for_programs(pool):
    """A program's template occupies its crew's only process until the answer has been checked."""
    begun, checked = threading.Event(), threading.Event()

    def slow(_bucket: str, _key: str, _seconds: int) -> str:
        begun.set()
        assert checked.wait(60)
        return "https://s3/"

    task_input = {"taskObject": "s3://bucket/a.jpg"}
    program = threading.Thread(target=Renderer(slow, pool).render, args=(IMAGE, task_input))
    program.start()
    assert begun.wait(60)
    assert Renderer(presign, pool).render_unlinked(IMAGE, task_input) == NO_LINK
    assert Renderer(presign, pool).page("page", {}).html == "page"
    checked.set()
    program.join()


def test_a_process_has_no_secret_and_little_memory_and_ends_with_the_pool(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    before = children()
    with closing(RenderingPool()) as pool:
        Renderer(presign, pool).render("x", {})
        [process] = children() - before
        assert b"a-secret" not in Path(f"/proc/{process}/environ").read_bytes()
        memory = re.search(r"Max address space +(\d+)", Path(f"/proc/{process}/limits").read_text())[1]
        assert int(memory) == 1024**3
        assert Path(f"/proc/{process}/oom_score_adj").read_text() == "1000\n"
    assert process not in children()
