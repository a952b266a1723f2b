"""What would keep people from submitting is told before anybody is asked, and nothing else is."""

from __future__ import annotations

import pytest

from include.review_desk.worker_templates.obstacles import MOST, find_obstacles
from tests.support.desk import TEMPLATE

S3 = ("https://*.amazonaws.com",)


@pytest.mark.parametrize(
    "page",
    [
        TEMPLATE.replace("{{", "").replace("}}", ""),
        "<p>Only text</p>",
        '<script>"<crowd-mystery>"</script><script type="text/template" src="https://example.org/x"></script>',
        "<script src=//assets.crowd.aws/crowd-html-elements.js></script>",
        "<script src='https://assets.crowd.aws/crowd-html-elements-v2.js?x=1'></script>",
        '<short-instructions><img src="https://assets.crowd.aws/a.png"></short-instructions>',
        "<crowd-card><crowd-badge></crowd-badge></crowd-card><crowd-icon-button></crowd-icon-button>",
        "<crowd-radio-group><crowd-radio-button name=a></crowd-radio-button></crowd-radio-group>",
        "<crowd-checkbox disabled>Not asked</crowd-checkbox>",
        '<img src="https://bucket.s3.eu-west-1.amazonaws.com/a.png?X-Amz-Signature=1"><img id="later">',
        '<img src="data:image/png;base64,AA=="><iframe src="about:blank"></iframe><iframe srcdoc="x">',
        "<classification-reasons></classification-reasons>",
        "<!-- <crowd-mystery> -->",
    ],
)
def test_a_page_that_can_be_answered_needs_no_word(page: str):
    assert find_obstacles(page, S3) == []


@pytest.mark.parametrize(
    ("page", "beginning"),
    [
        (
            "<crowd-rekognition-detect-moderation-labels src='x'>",
            "<crowd-rekognition-detect-moderation-labels>",
        ),
        ("<CROWD-MYSTERY NAME=x>", "<crowd-mystery> is not known"),
        ("<crowd-bounding-box src='x'>", "<crowd-bounding-box> has no name"),
        ("<crowd-text-area name=''>", "<crowd-text-area> has no name"),
        ("<script src='uuid.js'></script>", "The script uuid.js is not loaded"),
        ("<script type=module src='//cdn.example.org/a.js'></script>", "The script //cdn.example.org/a.js"),
        ("<object data='https://b.s3.amazonaws.com/a.pdf'>", "The page embedded with <object>"),
        ("<video><source src='http://b.s3.amazonaws.com/a.mp4'></video>", "<source> would load from b.s3"),
        (
            "<img src='https://amazonaws.com.example.org/a.png'>",
            "<img> would load from amazonaws.com.example.org",
        ),
        ("<img src='a.png'>", "<img> would load from the template's own address"),
        ("<short-instructions></short-instructions><img src='https://[x'>", "<img> would load from"),
    ],
)
def test_what_would_be_refused_is_one_sentence(page: str, beginning: str):
    [sentence] = find_obstacles(page, S3)
    assert sentence.startswith(beginning)


def test_a_sentence_is_said_once_and_there_are_not_too_many():
    assert len(find_obstacles("<crowd-input>" * 100, S3)) == 1
    assert len(find_obstacles("".join(f"<crowd-x{index}>" for index in range(100)), S3)) == MOST
