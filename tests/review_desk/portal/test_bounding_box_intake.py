"""What comes into the box editor besides the template: photos, drafts after a reload, earlier answers."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.review_desk.portal.editor import MODEL, SIZE, Bench, Hand, box, plain_image, turned_jpeg


@pytest.fixture(scope="module")
def image() -> bytes:
    return plain_image(640, 480)


def test_a_photo_turned_by_exif_counts_the_pixels_of_the_file(browse):
    with Bench(turned_jpeg(400, 200), image_path="/photo.jpg") as bench:
        hand = Hand.at(browse().page, bench)
        hand.press("z")
        hand.drag((300, 20), (380, 90))
        assert hand.submit() == {
            "boundingBoxes": [box("RBC", 300, 20, 80, 70)],
            "inputImageProperties": {"height": 200, "width": 400},
        }


def test_without_cors_a_jpeg_is_shown_with_a_warning(browse):
    visit = browse(expected=["CORS", "ERR_FAILED"])
    with Bench(turned_jpeg(400, 200), image_path="/photo.jpg", cors=False) as bench:
        hand = Hand.at(visit.page, bench)
        expect(hand.frame.locator(".bb-notices")).to_contain_text("may be shown rotated")


def test_an_image_that_does_not_load_is_told_and_can_be_tried_again(browse, image):
    visit = browse(expected=["503", "ERR_FAILED"])
    with Bench(image, failures=2) as bench:
        hand = Hand.at(visit.page, bench, wait="problem")
        assert "did not load" in hand.wait_for("problem")["message"]
        assert [said["type"] for said in hand.said() if said["type"] == "ready"] == []
        hand.frame.get_by_role("button", name="Try again").click()
        hand.wait_for("ready")
        expect(hand.frame.locator(".bb-message")).to_be_hidden()
        hand.press("z")
        hand.drag((100, 100), (150, 150))
        assert hand.boxes() == [box("RBC", 100, 100, 50, 50)]


def test_a_reload_in_the_middle_loses_nothing(browse, image):
    with Bench(image, initial=MODEL) as bench:
        page = browse().page
        hand = Hand.at(page, bench)
        hand.press("z")
        hand.drag((400, 50), (500, 120))
        hand.press("2", "Escape", "[", "[", "Delete")
        before = hand.value()
        page.wait_for_function(
            """left => {
              const boxes = JSON.parse(localStorage.draft ?? "{}").fields?.annotatedResult[0].boxes ?? [];
              return boxes.length === 2 && boxes[0].left === left && boxes[1].label === "WBC";
            }""",
            arg=300,
        )
        again = Hand.at(page, bench)
        expect(again.frame.locator(".bb-box:not(.bb-sketch)")).to_have_count(len(before["boundingBoxes"]))
        assert again.value() == before
        expect(again.frame.locator(".bb-model")).to_have_count(1)


def test_an_answer_comes_back_for_correction(browse, image):
    boxes = [MODEL[1], box("RBC", 7, 8, 9, 10)]
    answer = {"annotatedResult": {"boundingBoxes": boxes, "inputImageProperties": SIZE}}
    with Bench(image, initial=MODEL, answer=answer) as bench:
        hand = Hand.at(browse().page, bench)
        expect(hand.frame.locator(".bb-box:not(.bb-sketch)")).to_have_count(2)
        expect(hand.frame.locator(".bb-model")).to_have_count(1)
        assert hand.boxes() == boxes
