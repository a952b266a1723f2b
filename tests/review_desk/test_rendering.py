"""Worker templates come from elsewhere, and what they show comes from elsewhere too."""

from __future__ import annotations

import html
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.review_desk.errors import RenderFailure
from include.review_desk.storage.object_store import S3Store
from include.review_desk.web.frames import document
from include.review_desk.worker_templates import limits
from include.review_desk.worker_templates.crowd import find_elements
from include.review_desk.worker_templates.links import presigner
from include.review_desk.worker_templates.literals import LiteralError, read_literal
from include.review_desk.worker_templates.rendering import Renderer
from tests.support.aws import REGION
from tests.support.desk import ACCESS_KEY, SECRET_KEY, TEMPLATE

HOSTILE = [
    "<script>alert(1)</script>",
    "\"'>",
    "{{ x }}",
    "{% raw %}",
    "&amp;",
    "🩸",
    "\u202eabc",
    "\u2028",
    "</crowd-form>",
]

renderer = Renderer(lambda bucket, key, seconds: f"https://s3/{bucket}/{key}?expires={seconds}&x=1")


def render(template: str, **task_input) -> str:
    return renderer.render(template, task_input)


def failure(template: str, **task_input) -> RenderFailure:
    with pytest.raises(RenderFailure) as caught:
        render(template, **task_input)
    return caught.value


def test_the_project_template_draws_the_models_boxes_and_takes_its_labels_from_the_input():
    value = [{"left": 1, "top": 2, "width": 3, "height": 4, "label": "RBC"}]
    page = render(TEMPLATE, taskObject="s3://bucket/a.jpg", labels=["RBC", "WBC"], initialValue=value)
    [element] = find_elements(page)
    assert (element.tag, element.name, element.labels) == (
        "crowd-bounding-box",
        "annotatedResult",
        ("RBC", "WBC"),
    )
    assert 'src="https://s3/bucket/a.jpg?expires=3600&amp;x=1"' in page
    assert "https://assets.crowd.aws/crowd-html-elements.js" in page


@given(
    labels=st.lists(st.text() | st.sampled_from(HOSTILE), max_size=5), key=st.text(min_size=1, max_size=40)
)
@settings(max_examples=60, deadline=None)
def test_labels_and_keys_of_any_text_stay_text(labels: list[str], key: str):
    page = render(TEMPLATE, taskObject=f"s3://bucket/{key}", labels=labels, initialValue=[])
    [element] = find_elements(page)
    assert element.labels == tuple(labels)
    assert page.count("<script") == 1
    assert page.count("<crowd-") == 2


@pytest.mark.parametrize("text", HOSTILE)
def test_printed_values_are_escaped(text: str):
    assert html.unescape(render("<b>{{ task.input.x }}</b>", x=text)) == f"<b>{text}</b>"
    assert "<script>alert" not in render("{{ task.input.x }}", x=text)


@pytest.mark.parametrize("text", HOSTILE)
def test_json_can_neither_end_a_script_nor_a_quoted_attribute(text: str):
    raw = render("{{ task.input.x | to_json }}", x=[text])
    assert json.loads(raw) == [text]
    assert not set("<>&'") & set(raw)
    escaped = render('<i a="{{ task.input.x | to_json | escape }}">', x=[text])
    assert json.loads(html.unescape(escaped[6:-2])) == [text]


def test_filters_of_a2i():
    assert render("{{ task.input.x | skip_autoescape }}", x="<b>") == "<b>"
    assert render("{{ task.input.x | escape_once }}", x="&lt;<") == "&lt;&lt;"
    assert render("{{ task.input.missing | to_json }}") == "null"
    captured = (
        "{% capture u %}s3://{{ task.input.b }}/{{ task.input.k }}{% endcapture %}{{ u | grant_read_access }}"
    )
    assert render(captured, b="bucket", k="a&b.jpg") == "https://s3/bucket/a&amp;b.jpg?expires=3600&amp;x=1"


@pytest.mark.parametrize(
    ("address", "bucket", "key"),
    [
        ("s3://bucket/a b%20c?d#e.png", "bucket", "a b%20c?d#e.png"),
        # As AWS's guide and notebooks write it: the key as it is.
        ("http://s3.amazonaws.com/bucket/scan 1.png", "bucket", "scan 1.png"),
        ("http://s3.amazonaws.com/bucket/größe 100%20?.png", "bucket", "größe 100%20?.png"),
        ("http://s3.amazonaws.com/bucket/100%.png", "bucket", "100%.png"),
        ("http://s3.amazonaws.com/bucket/a%ff.png", "bucket", "a%ff.png"),
        # As consoles and SDKs write it: the key escaped.
        ("https://s3.us-west-2.amazonaws.com/bucket/d/scan%201.png", "bucket", "d/scan 1.png"),
        ("https://bucket.s3.eu-west-1.amazonaws.com/gr%C3%B6%C3%9Fe%2B1.png", "bucket", "größe+1.png"),
        ("https://my.bucket.s3.amazonaws.com/a//b", "my.bucket", "a//b"),
        ("https://bucket.s3-eu-west-1.amazonaws.com/k", "bucket", "k"),
        ("https://s3-ap-southeast-2.amazonaws.com/bucket/k", "bucket", "k"),
        ("https://bucket.s3.dualstack.us-east-1.amazonaws.com/k", "bucket", "k"),
        ("https://s3.dualstack.il-central-1.amazonaws.com/bucket/k", "bucket", "k"),
        ("https://s3-fips.us-gov-west-1.amazonaws.com/bucket/k", "bucket", "k"),
        ("https://bucket.s3-accelerate.amazonaws.com/k", "bucket", "k"),
        ("https://bucket.s3.cn-north-1.amazonaws.com.cn/k", "bucket", "k"),
        ("https://s3.cn-northwest-1.amazonaws.com.cn/bucket/k", "bucket", "k"),
        ("https://bucket.s3.eusc-de-east-1.amazonaws.eu/k", "bucket", "k"),
        ("HTTPS://S3.AmazonAWS.com/bucket/K", "bucket", "K"),
    ],
)
def test_grant_read_access_takes_s3_uris_and_s3s_own_web_addresses(address: str, bucket: str, key: str):
    links: list[tuple[str, str]] = []
    desk = Renderer(lambda bucket, key, seconds: str(links.append((bucket, key))))
    desk.render("{{ task.input.x | grant_read_access }}", {"x": address})
    assert links == [(bucket, key)]


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/bucket/key",
        "https://s3.amazonaws.com.example.org/bucket/key",
        "https://examples3.amazonaws.com/bucket/key",
        "https://s3.amazonaws.com@example.org/bucket/key",
        "https://someone@s3.amazonaws.com/bucket/key",
        "https://s3.amazonaws.com:8080/bucket/key",
        "https://s3.amazonaws.com\\.example.org/bucket/key",
        "https://sts.us-east-1.amazonaws.com/bucket/key",
        "https://bucket.s3-website-us-east-1.amazonaws.com/key",
        "https://bucket.s3.eu-west-1.amazonaws.com.cn/key",
        "https://bucket.s3.moon-west-1.amazonaws.com/key",
        "https://s3-accelerate.amazonaws.com/bucket/key",
        "https://bucket.s3.amazonaws.com/",
        "https://s3.amazonaws.com/bucket/",
        "https://s3.amazonaws.com/bucket%2Fkey/x",
        "https://bucket.s3.amazonaws.com/key?X-Amz-Signature=0123",
        "//s3.amazonaws.com/bucket/key",
        "ftp://s3.amazonaws.com/bucket/key",
    ],
)
def test_grant_read_access_refuses_addresses_that_are_not_s3s(address: str):
    error = failure("{{ task.input.x | grant_read_access }}", x=address)
    assert error.code == "InvalidParameters"
    assert error.message == f'"grant_read_access" input is not a valid S3 URI: "{address}".'


@pytest.mark.parametrize(
    "form", ["s3://%s/k", "http://s3.amazonaws.com/%s/k", "https://%s.s3.eu-west-1.amazonaws.com/k"]
)
def test_the_buckets_of_the_desk_bind_every_form_of_an_address(form: str):
    store = S3Store(region=REGION, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY)
    desk = Renderer(presigner(store, ("mine",)))
    template = "{{ task.input.x | grant_read_access }}"
    assert "X-Amz-Signature" in desk.render(template, {"x": form % "mine"})
    with pytest.raises(RenderFailure, match='may not read from the bucket "other"'):
        desk.render(template, {"x": form % "other"})


@pytest.mark.parametrize(
    "uri", ["", " ", "https://bucket/key", "s3://", "s3://bucket", "s3://bucket/", "s3://B/k", "x"]
)
def test_grant_read_access_refuses_what_is_no_s3_uri_as_a2i_does(uri: str):
    error = failure("{{ task.input.x | grant_read_access }}", x=uri)
    assert error.code == "InvalidParameters"
    assert error.message == f'"grant_read_access" input is not a valid S3 URI: "{uri}".'


@pytest.mark.parametrize(
    "template",
    [
        "{{ x | no_such_filter }}",
        "{% if %}",
        "{% for x in y %}",
        "{{ x",
        "{% no_such_tag %}",
        "{% include 'other' %}",
        "{% render '/etc/passwd' %}",
    ],
)
def test_a_template_with_a_fault_says_where(template: str):
    error = failure(template)
    assert error.code == "TemplateSyntaxError"
    assert "line 1" in error.message or "end of expression" in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in (1..100000000) %}x{% endfor %}",
        "{% for i in (1..9000) %}{% for j in (1..9000) %}x{% endfor %}{% endfor %}",
        "{% assign a = 'xxxxxxxxxx' %}{% for i in (1..40) %}{% assign a = a | append: a %}{% endfor %}",
        "{% if true %}" * 300 + "{% endif %}" * 300,
    ],
)
def test_a_template_cannot_take_the_desk_down(template: str):
    assert failure(template).code == "TemplateLimitExceeded"


def test_a_template_sees_nothing_but_its_task():
    assert render("{{ task.input.__class__ }}{{ task.__init__ }}{{ environment }}{{ self }}", x=1) == ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("['Cat', 'Dog']", ["Cat", "Dog"]),
        ('["Cat","Dog"]', ["Cat", "Dog"]),
        ("['Cat', 'Dog',]", ["Cat", "Dog"]),
        ("[{left: 1, 'top': 2.5, label: 'it\\'s',},]", [{"left": 1, "top": 2.5, "label": "it's"}]),
        ("[]", []),
        ("[ -3, .5, 1e2, true, null ]", [-3, 0.5, 100.0, True, None]),
        ("['\\u00e9\\n']", ["é\n"]),
    ],
)
def test_attributes_are_read_as_leniently_as_the_documentation_writes_them(text: str, value):
    assert read_literal(text) == value


@pytest.mark.parametrize(
    "text", ["", "Cat", "[1 2]", "['a", "{a 1}", "{:1}", "[" * 100, "alert(1)", "[1]]", "[1];x"]
)
def test_what_is_no_literal_is_refused(text: str):
    with pytest.raises(LiteralError):
        read_literal(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
@settings(max_examples=60, deadline=None)
def test_all_json_is_a_literal(value):
    assert read_literal(json.dumps(value)) == value


@pytest.mark.parametrize(
    "template",
    [
        '{{ (1..3000000) | join: "" | size }}',
        '{{ task.input.long | split: "" | sort | size }}',
        '{{ task.input.long | replace: "", task.input.long | size }}',
        '{{ task.input.long | replace: "a", task.input.long | size }}',
        "{{ task.input.many | join: task.input.long | size }}",
        "{% assign x = 9999999999 %}{% for i in (1..20) %}{% assign x = x | times: x %}{% endfor %}",
        '{{ task.input.long | date: "%Y" }}',
        '{{ "now" | date: task.input.long }}',
    ],
)
def test_one_filter_cannot_take_the_memory_or_the_time_of_all(template: str):
    error = failure(template, long="a" * 200_000, many=["x"] * 1000)
    assert error.code == "TemplateLimitExceeded"


def test_a_template_has_an_end_to_its_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MAX_SECONDS", 0.01)
    numbers = list(range(50_000))
    template = "{% for i in (1..2000) %}{% if task.input.x == task.input.y %}1{% endif %}{% endfor %}"
    assert failure(template, x=numbers, y=list(numbers)).code == "TemplateLimitExceeded"


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in (1..5000) %}x{% endfor %}" * 20,
        "{% tablerow i in (1..5000) %}x{% endtablerow %}" * 20,
        "{% for i in (1..200) %}{% for j in (1..200) %}x{% endfor %}{% endfor %}" * 2,
        "{% for i in (1..30000) %}{% break %}{% endfor %}{% for i in (1..26000) %}x{% endfor %}" * 2,
    ],
)
def test_rounds_are_counted_over_the_whole_template(template: str):
    told = failure(template)
    assert told.code == "TemplateLimitExceeded"
    assert "loops have more than 50,000 rounds" in told.message
    # A page of ten thousand boxes goes over them four times, and more.
    assert len(render("{% for i in (1..10000) %}x{% endfor %}" * 4)) == 40_000


@pytest.mark.parametrize(
    "template",
    [
        # None of these looks up a variable or calls a filter.
        "{% for i in (1..40000) %}x{% endfor %}",
        "{% tablerow i in (1..40000) %}x{% endtablerow %}",
        "".join(f"{{% assign a{number} = 1 %}}" for number in range(3000)),
    ],
)
def test_the_time_is_checked_in_every_round_and_at_every_variable(template, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MAX_SECONDS", 0.0)
    assert "it takes more than 0 seconds" in failure(template).message


@pytest.mark.parametrize("content", ["{" * 60_000, "{% raw %}" * 10_000, "{% doc %}" * 10_000])
def test_the_lexer_is_not_sent_to_read_on_and_on(content: str):
    assert failure(content).code == "TemplateSyntaxError"


@pytest.mark.parametrize("times", [1, 100_000])
@pytest.mark.parametrize("unfinished", ["<a ", "<!--", "<a b='>", "</", "<![x", "&"])
def test_a_page_of_unfinished_tags_is_read_once(unfinished: str, times: int):
    # Read again from each of them, this takes hours.
    assert find_elements('<crowd-input name="text">' + unfinished * times)[0].name == "text"
    render("{{ task.input.text | strip_html }}", text="<b>x</b>" + unfinished * times)


def test_strip_html_takes_tags_and_scripts_away():
    assert render(
        "{{ task.input.text | strip_html }}", text="a <b>&amp;</b><script>x</script><!-- y --> < 2 <i"
    ) == ("a &amp;amp; &lt; 2 &lt;i")


@pytest.mark.parametrize("beginning", ["<!---->", "<!-- a -->\n", "<script "])
def test_a_frames_document_is_made_in_one_reading(beginning: str):
    page = beginning * 200_000
    assert document(page + "<p>x").startswith('<!doctype html><html lang="en"><head><meta charset')
    assert document("<head " * 200_000).endswith("<head ")
    assert document("<!-- a --> <!-- b -->\n<html><head>x").startswith(
        "<!doctype html><!-- a --> <!-- b -->\n<html>"
    )
