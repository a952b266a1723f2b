"""The report, built from a small tree of records in S3 as the nightly tasks leave them."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from include.demo.charts import LABEL_COLOURS
from include.demo.report import ReportError, Seconds, build_report, result_table
from include.demo.report_page import write_page
from secondlook.jsonl import encode
from secondlook.layout import Layout

NIGHT = "2026-03-02"
LABELS = ("RBC", "WBC")
SECONDS = Seconds(setup=60.04, bootstrap=30, nights=90, total=180.04)
STATUSES = [
    {"operations": {"CreateModel": 2, "InvokeEndpoint": 40}},
    {"operations": {"StartHumanLoop": 2, "CreateModel": 1}},
]


def jpeg(colour):
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(stream, "JPEG")
    return stream.getvalue()


def ledger_line(layout, name, reason, rank):
    return {
        "image": layout.uri(f"{layout.images(NIGHT)}/{name}"),
        "width": 40,
        "height": 30,
        "reason": reason,
        "rank": rank,
        "loop": f"loop-{name[0]}",
        "predrawn": [{"label": "RBC", "left": 1, "top": 2, "width": 10, "height": 11}],
    }


def manifest_line(image):
    return {
        "source-ref": image,
        "bounding-box": {
            "annotations": [{"class_id": 1, "left": 3, "top": 4, "width": 20, "height": 21}],
            "image_size": [{"width": 40, "height": 30, "depth": 3}],
        },
        "bounding-box-metadata": {"class-map": {"0": "RBC", "1": "WBC"}},
    }


def card(model, parent, created_by, manifests=(), verdict=None):
    return {
        "model": model,
        "parent": parent,
        "created_by": created_by,
        "verdict": verdict,
        "data": {
            "train_images": 90,
            "new_images": 40 if parent else 0,
            "replayed_images": 50 if parent else 0,
            "manifests": [{"uri": uri, "etag": "e", "sha256": "0" * 64, "lines": 2} for uri in manifests],
        },
    }


def evidence(challenger, champion, interval, control=0.55):
    return {
        "images": 5,
        "challenger": challenger,
        "champion": champion,
        "control": control,
        "delta": challenger - champion,
        "delta_ci95": interval,
    }


def comparison(slices):
    return {
        "champion": "base",
        "control": "control",
        "slices": slices,
        "reasons": ["The challenger is better."],
    }


@pytest.fixture
def layout(aws_clients, bucket):
    """One night that was played, in a bucket of its own."""
    layout, s3 = Layout(bucket, "here"), aws_clients("s3")

    def put(key, content):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        s3.put_object(Bucket=bucket, Key=key, Body=data)

    images = {"a.jpg": "pink", "b.jpg": "white", "c.jpg": "purple"}
    for name, colour in images.items():
        put(f"{layout.images(NIGHT)}/{name}", jpeg(colour))
    ledger = [
        ledger_line(layout, name, *why) for name, *why in (("a.jpg", "policy", 1), ("b.jpg", "audit", 2))
    ]
    scored = {"images": 4, "scored": 3, "quarantined": 1}
    put(layout.predictions_summary(NIGHT, "base"), scored)
    broken = {
        "image": "s3://b/x/torn<1>.jpg",
        "code": "unreadable",
        "reason": "The file ends early & cannot be read.",
    }
    put(layout.quarantine(NIGHT, "base"), encode([broken]))
    put(layout.ledger(NIGHT), encode(ledger))
    put(layout.launch_summary(NIGHT), {"selected": 2, "started": 1, "adopted": 1, "published_rule": 0})
    put(layout.outcomes(NIGHT), encode([{"outcome": "completed"}, {"outcome": "expired"}]))
    put(layout.reviewed_manifest(NIGHT), encode([manifest_line(ledger[0]["image"])]))
    put(layout.manifest_summary(NIGHT), {"lines": 1, "rejected": 1, "codes": {"expired": 1}})
    put(layout.card("base"), card("base", None, "bootstrap"))
    learned = [layout.uri(layout.reviewed_manifest(NIGHT))]
    put(
        layout.card("next"),
        card("next", "base", "nightly", learned, {"promote": True, "promoted_as_version": 2}),
    )
    put(layout.card("control"), card("control", "base", "control"))
    slices = {"clean": evidence(0.7, 0.6, [0.05, 0.15]), "drifted": evidence(0.5, 0.2, [0.2, 0.4])}
    put(layout.comparison("v1", "next"), comparison(slices))
    return layout


def test_the_report_has_the_shape_that_was_promised(aws_clients, layout):
    report = build_report(aws_clients("s3"), layout, [NIGHT], SECONDS, STATUSES)
    assert report["seconds"] == {"setup": 60.0, "bootstrap": 30, "nights": 90, "total": 180.0}
    assert report["api_calls"] == {"CreateModel": 3, "InvokeEndpoint": 40, "StartHumanLoop": 2}
    (night,) = report["nights"]
    expected = {
        "night": NIGHT,
        "images": 4,
        "scored": 3,
        "quarantined": 1,
        "selected": 2,
        "loops_started": 2,
        "completed": 1,
        "expired": 1,
        "failed": 0,
        "manifest_lines": 1,
        "rejected_lines": 1,
        "model_trained": "next",
        "promoted": True,
        "published_rule": 0,
    }
    assert {name: night[name] for name in expected} == expected
    base, challenger = report["models"]
    assert base["map50"] == {"clean": 0.6, "drifted": 0.2}
    assert (base["parent"], base["promoted"], base["control_map50"]) == (
        None,
        True,
        {"clean": None, "drifted": None},
    )
    assert (challenger["id"], challenger["parent"], challenger["train_images"]) == ("next", "base", 90)
    assert challenger["map50"] == {"clean": 0.7, "drifted": 0.5}
    assert challenger["control_map50"] == {"clean": 0.55, "drifted": 0.55}
    assert challenger["delta_ci95"] == [0.2, 0.4]
    assert challenger["promoted"] is True


def test_without_a_drifted_slice_the_interval_is_that_of_the_only_one(aws_clients, layout):
    s3 = aws_clients("s3")
    only = comparison({"clean": evidence(0.7, 0.6, [0.05, 0.15])})
    s3.put_object(Bucket=layout.bucket, Key=layout.comparison("v1", "next"), Body=json.dumps(only).encode())
    report = build_report(s3, layout, [NIGHT], SECONDS, STATUSES)
    assert report["models"][1]["map50"] == {"clean": 0.7, "drifted": None}
    assert report["models"][1]["delta_ci95"] == [0.05, 0.15]
    assert "+0.050 to +0.150" in result_table(report)


def test_a_night_that_was_not_played_is_named(aws_clients, layout):
    with pytest.raises(ReportError, match="No model has scored the night 2026-03-09"):
        build_report(aws_clients("s3"), layout, ["2026-03-09"], SECONDS, STATUSES)


class Page(HTMLParser):
    """Collects what a reader and a screen reader find."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.tags, self.spoken = [], "", [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        self.spoken.append(found.get("aria-label", ""))

    def handle_data(self, data):
        self.text += data


def test_the_page_is_self_contained_and_tells_what_happened(aws_clients, layout, tmp_path):
    s3 = aws_clients("s3")
    report = build_report(s3, layout, [NIGHT], SECONDS, STATUSES)
    write_page(tmp_path / "report.html", report, s3, layout, LABELS)
    source = (tmp_path / "report.html").read_text()
    page = Page(source)
    assert not re.search(r'(src|href)="(?!data:|#)', source)
    assert ("html", {"lang": "en"}) in page.tags
    assert "torn<1>.jpg" in page.text
    assert "The file ends early & cannot be read." in page.text
    assert "published rule (best score below 0.5) would have asked about 0 images" in page.text
    assert any("scored 3, asked 2, answered 1, learned 1" in spoken for spoken in page.spoken)
    assert "a.jpg with the boxes of the model: 1 RBC" in page.spoken
    assert "a.jpg with the boxes of the person: 1 WBC" in page.spoken
    assert "0.50 mAP@0.5" in page.text
    assert all(
        attributes.get("aria-label") or attributes.get("aria-hidden")
        for tag, attributes in page.tags
        if tag == "svg"
    )


def test_what_was_left_out_of_a_persons_folder_is_in_the_report(aws_clients, layout, tmp_path):
    s3, reasons = aws_clients("s3"), ("JPEGImages/<a>.jpg is a WebP file.", "b is in no list that is read.")
    report = build_report(s3, layout, [NIGHT], SECONDS, STATUSES, reasons)
    assert report["left_out"] == list(reasons)
    write_page(tmp_path / "report.html", report, s3, layout, LABELS)
    page = Page((tmp_path / "report.html").read_text())
    assert "Left out of DATA" in page.text
    assert all(reason in page.text for reason in reasons)


def test_a_label_has_one_colour_in_the_report_and_at_the_desk():
    root = Path(__file__).parents[2]
    desk = (root / "include/review_desk/static/crowd/bounding-box/palette.js").read_text(encoding="utf-8")
    colours = re.search(r"const COLORS = \[(.*?)\]", desk)

    assert colours is not None
    assert tuple(re.findall(r"#[0-9a-f]{6}", colours.group(1))) == LABEL_COLOURS
