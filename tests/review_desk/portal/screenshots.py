"""Pictures of the portal for the documentation, of a desk with drawn blood smears.

Run by hand: ``python -m pytest tests/review_desk/portal/screenshots.py`` writes the pictures in docs/assets/.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import expect
from sqlalchemy import select, update

from include.demo.drift import clean_look
from include.demo.scenes import Scene, draw_scene
from include.review_desk.storage import schema
from tests.support.desk import BUCKET, TEMPLATE, Flow, Site, flow_request
from tests.support.reviewer import Reviewer, boxes_answer

DOCS = Path(__file__).resolve().parents[3] / "docs" / "assets"
LABELS = ["RBC", "WBC", "Platelets"]
# As a photograph of today's size.
ENLARGED = 4


def _flow(site: Site) -> Flow:
    sagemaker, (name, team, ui) = site.client("sagemaker"), ("smears-nightly", "haematology", "boxes")
    members = [{"OidcMemberDefinition": {"Groups": [team]}}]
    sagemaker.create_workteam(WorkteamName=team, Description="Reviewers", MemberDefinitions=members)
    sagemaker.create_human_task_ui(HumanTaskUiName=ui, UiTemplate={"Content": TEMPLATE})
    request = flow_request(name, team, ui, TaskTitle="Blood smears: check the boxes")
    arn = sagemaker.create_flow_definition(**request)["FlowDefinitionArn"]
    return Flow(site, name, arn, team, ui, site.client("sagemaker-a2i-runtime"))


def _shown_boxes(scene: Scene, rng: np.random.Generator) -> list[dict[str, Any]]:
    """What a model might have drawn: most boxes, a little off, sometimes with the wrong label."""
    boxes = []
    for box in scene.boxes:
        if rng.random() < 0.15:
            continue
        left, top = (max(0, int(v + rng.integers(-2, 3))) for v in (box.left, box.top))
        sides = {"left": left, "top": top, "width": box.width, "height": box.height}
        boxes.append({name: value * ENLARGED for name, value in sides.items()} | {"label": box.label})
    return boxes


def _loops(flow: Flow, count: int) -> None:
    s3 = flow.site.client("s3")
    for index in range(count):
        rng = np.random.default_rng(40 + index)
        scene = max((draw_scene(rng, clean_look(rng)) for _ in range(4)), key=lambda drawn: len(drawn.boxes))
        picture = Image.fromarray(scene.pixels)
        picture = picture.resize(
            (picture.width * ENLARGED, picture.height * ENLARGED), Image.Resampling.BICUBIC
        )
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=90)
        key = f"images/smear-{index}.jpg"
        s3.put_object(Bucket=BUCKET, Key=key, Body=stream.getvalue(), ContentType="image/jpeg")
        flow.start(taskObject=f"s3://{BUCKET}/{key}", labels=LABELS, initialValue=_shown_boxes(scene, rng))


def _history(site: Site, people: list[Reviewer]) -> None:
    """Some answers of the last days, so that there is something to see."""
    rng = np.random.default_rng(3)
    for turn in range(24):
        person = people[turn % len(people)]
        task = person.next()
        assert task is not None
        shown = task["input"]["initialValue"]
        kept = [dict(box) for box in shown if rng.random() > 0.1]
        for box in kept:
            if rng.random() < 0.3:
                box["left"] += 3
        answer = boxes_answer(kept)
        answer["annotatedResult"]["inputImageProperties"] = {"height": 1280, "width": 1280}
        status, said = person.call(f"/worker/tasks/{task['task']}/answer", {"answerContent": answer})
        assert status == 200, said
    assignments = schema.assignments
    with site.database.write() as connection:
        rows = connection.execute(select(assignments).where(assignments.c.state == "answered")).all()
        for index, row in enumerate(rows):
            submitted = row.submitted_ms - (index % 6) * 24 * 3600 * 1000
            taken = int(rng.integers(18, 70)) * 1000
            connection.execute(
                update(assignments)
                .where(assignments.c.id == row.id)
                .values(submitted_ms=submitted, accepted_ms=submitted - taken)
            )


def test_pictures_for_the_documentation(site: Site, browse: Any) -> None:
    flow = _flow(site)
    names = ["reviewer-1", "reviewer-2", "reviewer-3"]
    people = [flow.reviewer(name) for name in names]
    members, workers = schema.team_members, schema.workers
    with site.database.write() as connection:
        lead = select(workers.c.id).where(workers.c.name == names[0]).scalar_subquery()
        connection.execute(update(members).where(members.c.worker_id == lead).values(lead=True))
    _loops(flow, 36)
    _history(site, people)
    page = browse(width=1280, height=800).sign_in(site, people[0]).page
    page.goto(site.url)
    expect(page.locator("#start")).to_be_focused()
    page.screenshot(path=DOCS / "portal-queue.png")
    page.goto(f"{site.url}/work")
    expect(page.locator("#stage iframe.ahead")).to_have_count(1)
    page.keyboard.press("Tab")
    page.screenshot(path=DOCS / "portal-task.png")
    page.goto(f"{site.url}/overview")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=DOCS / "portal-overview.png", full_page=True)
    for picture in DOCS.glob("portal-*.png"):
        # 256 colours are enough for a page, and a third of the bytes.
        Image.open(picture).convert("RGB").quantize(256).save(picture, optimize=True)
        assert picture.stat().st_size < 300_000
