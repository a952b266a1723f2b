"""crowd-bounding-box in a real browser: what the hand draws is what the answer says, to the pixel.

Expected numbers come from where the image is displayed and where the pointer went, never from the editor.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.review_desk.portal.editor import MODEL, SIZE, Bench, Hand, box, plain_image

ZOOMS = {"fit": "f", "100 %": "z", "305 %": "z+++++"}


@pytest.fixture(scope="module")
def image() -> bytes:
    return plain_image(640, 480)


def press_all(hand: Hand, keys: str) -> None:
    before = hand.zoom()
    hand.press(*keys)
    assert keys == "f" or hand.zoom() != before


def drawn_between(hand: Hand, start: tuple[float, float], end: tuple[float, float]) -> dict[str, Any]:
    """The box that lies between two places of the screen, by where the image is displayed."""
    left, top = hand.on_screen(0, 0)
    zoom = hand.zoom()
    x0, y0 = (round((start[0] - left) / zoom), round((start[1] - top) / zoom))
    x1, y1 = (round((end[0] - left) / zoom), round((end[1] - top) / zoom))
    return box("RBC", x0, y0, x1 - x0, y1 - y0)


@pytest.mark.parametrize("touch", [False, True], ids=["mouse 1280x800", "finger 390x844"])
@pytest.mark.parametrize("zoom", ZOOMS)
def test_a_drawn_box_is_exact_at_any_zoom(browse, image, zoom, touch):
    visit = browse(width=390, height=844, touch=True) if touch else browse()
    with Bench(image) as bench:
        hand = Hand.at(visit.page, bench)
        press_all(hand, ZOOMS[zoom])
        corner = hand.corner(".bb-stage")
        start = (round(corner[0]) + 210, round(corner[1]) + 250)
        end = (start[0] + 133, start[1] + 91)
        expected = drawn_between(hand, start, end)
        if touch:
            hand.touch("touchStart", [start])
            hand.touch("touchMove", [(start[0] + 30, start[1] + 20)])
            hand.touch("touchMove", [end])
            hand.touch("touchEnd", [])
        else:
            visit.page.mouse.move(*start)
            visit.page.mouse.down()
            visit.page.mouse.move(*end, steps=3)
            visit.page.mouse.up()
        assert hand.submit() == {"boundingBoxes": [expected], "inputImageProperties": SIZE}


@pytest.mark.parametrize("zoom", ZOOMS)
def test_a_box_made_by_keys_moves_and_grows_by_single_pixels(browse, image, zoom):
    with Bench(image) as bench:
        hand = Hand.at(browse().page, bench)
        hand.page.keyboard.press("Tab")
        press_all(hand, ZOOMS[zoom])
        hand.press("n")
        [before] = hand.boxes()
        hand.press(
            "ArrowRight",
            "ArrowDown",
            "Shift+ArrowLeft",
            "Alt+ArrowRight",
            "Alt+Shift+ArrowDown",
            "2",
            "Enter",
        )
        [after] = hand.boxes()
        assert after == {
            "label": "WBC",
            "left": before["left"] - 9,
            "top": before["top"] + 1,
            "width": before["width"] + 1,
            "height": before["height"] + 10,
        }
        hand.press("Control+z")
        assert hand.boxes() == [], "all that made the box is one step"
        hand.press("Control+Shift+Z")
        assert hand.submit()["boundingBoxes"] == [after]


def test_keys_work_right_after_a_touch(browse, image):
    with Bench(image) as bench:
        hand = Hand.at(browse(width=390, height=844, touch=True).page, bench)
        hand.press("z")
        hand.touch_drag((300, 200), (340, 260))
        [drawn] = hand.boxes()
        hand.press("ArrowRight", "3")
        assert hand.boxes() == [{**drawn, "left": drawn["left"] + 1, "label": "Platelets"}]
        hand.press("Delete")
        assert hand.boxes() == []


def test_move_and_every_handle_change_only_their_edges(browse, image):
    handles = {
        "nw": (200, 150, 210, 130, 110, 120),
        "n": (250, 150, 200, 130, 120, 120),
        "ne": (320, 150, 200, 130, 130, 120),
        "e": (320, 200, 200, 150, 130, 100),
        "se": (320, 250, 200, 150, 130, 80),
        "s": (250, 250, 200, 150, 120, 80),
        "sw": (200, 250, 210, 150, 110, 80),
        "w": (200, 200, 210, 150, 110, 100),
        "move": (260, 200, 210, 130, 120, 100),
    }
    with Bench(image, initial=[box("RBC", 200, 150, 120, 100)]) as bench:
        hand = Hand.at(browse().page, bench)
        hand.press("z")
        hand.click(260, 200)
        for name, (x, y, left, top, width, height) in handles.items():
            hand.drag((x, y), (x + 10, y - 20))
            assert hand.boxes() == [box("RBC", left, top, width, height)], name
            hand.press("Control+z")
        assert hand.value()["initialValueModified"] is False
        hand.drag((260, 200), (800, 590))
        assert hand.boxes() == [box("RBC", 520, 380, 120, 100)], "a box stays inside the image"
        hand.drag((520, 380), (700, 600))
        assert hand.boxes() == [box("RBC", 639, 479, 1, 1)], "an edge too"


def test_the_models_boxes_come_back_as_they_were_given_until_touched(browse, image):
    given = [*MODEL, box("RBC", 10.25, 11.5, 20.125, 30.75)]
    with Bench(image, initial=given) as bench:
        hand = Hand.at(browse().page, bench)
        models = hand.frame.locator(".bb-model")
        expect(models).to_have_count(3)
        hand.click(130, 100)
        hand.press("f", "z", "]", "[", "Escape")
        assert hand.value() == {
            "boundingBoxes": given,
            "inputImageProperties": SIZE,
            "initialValueModified": False,
        }
        hand.press("]", "]", "ArrowRight")
        expect(models).to_have_count(2)
        touched = box("RBC", 11, 12, 20, 30)
        assert hand.submit() == {
            "boundingBoxes": [*MODEL, touched],
            "inputImageProperties": SIZE,
            "initialValueModified": True,
        }


def test_the_lenient_literals_of_aws_are_read(browse, image):
    literal = "[{label: 'Cat', left: 10, top: 20, width: 30, height: 40,}, ]"
    with Bench(image, labels="['Cat', 'Dog',]", initial=literal) as bench:
        hand = Hand.at(browse().page, bench)
        assert hand.value() == {
            "boundingBoxes": [box("Cat", 10, 20, 30, 40)],
            "inputImageProperties": SIZE,
            "initialValueModified": False,
        }


def test_boxes_that_make_no_sense_are_named_and_strange_labels_hold_up_the_answer(browse, image):
    bad = [box("RBC", 5, 5, -4, 9), {"label": "RBC", "left": 1}, box("Yeast", 600, 400, 90, 50)]
    with Bench(image, initial=[MODEL[0], *bad]) as bench:
        hand = Hand.at(browse().page, bench)
        notices = hand.frame.locator(".bb-notices")
        expect(notices).to_contain_text("box 2 is -4 wide")
        expect(notices).to_contain_text("box 3 has no number as top")
        expect(notices).to_contain_text("“Yeast”")
        hand.press("Control+Enter")
        assert "Yeast" in hand.wait_for("invalid")["message"]
        hand.press("2")
        assert hand.submit() == {
            "boundingBoxes": [MODEL[0], box("WBC", 600, 400, 40, 50)],
            "inputImageProperties": SIZE,
            "initialValueModified": True,
        }


def test_undo_and_redo_go_through_every_kind_of_step(browse, image):
    with Bench(image, initial=MODEL) as bench:
        hand = Hand.at(browse().page, bench)
        states = [hand.boxes()]
        steps = [
            lambda: hand.drag((400, 50), (500, 120)),
            lambda: hand.press("3"),
            lambda: hand.press("ArrowUp"),
            lambda: hand.press("Alt+ArrowLeft"),
            lambda: hand.press("Delete"),
            lambda: hand.drag((130, 100), (140, 120)),
            lambda: hand.press("2"),
        ]
        for step in steps:
            step()
            states.append(hand.boxes())
            assert states[-1] != states[-2]
        for state in reversed(states[:-1]):
            hand.press("Control+z")
            assert hand.boxes() == state
        assert hand.value()["initialValueModified"] is False
        hand.press("Control+z")
        for state in states[1:]:
            hand.press("Control+y")
            assert hand.boxes() == state


def test_a_click_draws_nothing_and_escape_drops_a_gesture(browse, image):
    with Bench(image, initial=MODEL) as bench:
        hand = Hand.at(browse().page, bench)
        hand.click(500, 400)
        hand.drag((500, 400), (501, 401))
        x, y = hand.on_screen(130, 100)
        hand.page.mouse.move(x, y)
        hand.page.mouse.down()
        hand.page.mouse.move(x + 80, y + 80, steps=4)
        hand.press("Escape")
        hand.page.mouse.up()
        hand.press("n", "ArrowLeft", "Escape")
        assert hand.value()["initialValueModified"] is False


def test_shift_draws_inside_a_box_and_a_second_click_takes_the_box_below(browse, image):
    with Bench(image, initial=[box("WBC", 100, 100, 300, 300), box("RBC", 200, 200, 60, 60)]) as bench:
        hand = Hand.at(browse().page, bench)
        hand.page.keyboard.down("Shift")
        hand.drag((300, 300), (350, 360))
        hand.page.keyboard.up("Shift")
        assert len(hand.boxes()) == 3
        selected = hand.frame.locator(".bb-selected .bb-text")
        hand.click(230, 230)
        expect(selected).to_have_text("RBC")
        hand.click(230, 230)
        expect(selected).to_have_text("WBC")


def test_nothing_to_label_is_said_explicitly_and_can_be_undone(browse, image):
    with Bench(image, initial=MODEL) as bench:
        hand = Hand.at(browse().page, bench)
        tick = hand.frame.get_by_label("Nothing to label")
        tick.click()
        hand.frame.get_by_role("button", name="Keep them").click()
        expect(tick).not_to_be_checked()
        assert hand.boxes() == MODEL
        tick.click()
        hand.frame.get_by_role("button", name="Remove the boxes").click()
        expect(tick).to_be_checked()
        hand.press("Control+z")
        expect(tick).not_to_be_checked()
        assert hand.boxes() == MODEL
        hand.press("]", "Delete", "]", "Delete", "Control+Enter")
        assert hand.wait_for("invalid")["message"] == "Draw at least one box or tick Nothing to label."
        tick.click()
        assert hand.submit() == {
            "boundingBoxes": [],
            "inputImageProperties": SIZE,
            "initialValueModified": True,
        }


def test_sixty_labels_are_found_by_typing(browse, image):
    labels = [f"species {number:02}" for number in range(1, 60)] + ["Ära <b>"]
    with Bench(image, labels=labels, initial=[box("species 01", 100, 100, 50, 50)]) as bench:
        hand = Hand.at(browse().page, bench)
        hand.click(120, 120)
        hand.press("l")
        options = hand.frame.get_by_role("option")
        expect(options).to_have_count(60)
        hand.page.keyboard.type("ies 4")
        expect(options).to_have_count(15)
        hand.press("ArrowDown", "ArrowDown", "Enter")
        assert hand.boxes()[0]["label"] == "species 42"
        hand.press("l")
        hand.page.keyboard.type("ara")
        hand.press("Enter", "ArrowRight")
        assert hand.submit()["boundingBoxes"] == [box("Ära <b>", 101, 100, 50, 50)]
