"""The documentation: what it names exists, it builds strictly, and no page loads anything from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from include.review_desk.aws_api import handlers
from include.review_desk.web.worker_api import WorkerApi
from secondlook.settings import Settings
from tests.support.lanes import starts

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PROSE = tuple(
    sorted(
        [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "include").rglob("*.md")],
    )
)
CODE = tuple(
    path
    for folder in ("plugins", "include", "dags", "tests")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".toml", ".sh", ".yaml", ".html", ".example", ".in"} and path != Path(__file__)
) + tuple(ROOT / name for name in ("Makefile", "Dockerfile", "pyproject.toml", "mkdocs.yml", ".ci/run"))
# A page, a picture or a folder of the documentation, with an anchor or without.
MENTION = re.compile(r"\bdocs/[\w./-]*[\w/](?:#[\w-]+)?")
README_WORDS = 900


class Page(HTMLParser):
    """The anchors of a page, and the addresses that a browser loads while it shows it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.loads: list[str] = []
        self.diagrams = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self.diagrams = self.diagrams or "mermaid" in given.get("class", "").split()
        if tag in {"script", "img", "iframe", "source", "audio", "video", "embed", "object"}:
            self.loads += [given[name] for name in ("src", "srcset", "data") if name in given]
        if tag == "link" and given.get("rel") != "canonical":
            self.loads.append(given.get("href", ""))


@pytest.fixture(scope="module")
@starts("server")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` builds it."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def page_of(site: Path, source: str) -> Path:
    """Return where the site has a page of ``docs/``."""
    name = source.removeprefix("docs/").removesuffix(".md").removesuffix("index").rstrip("/")
    return site / name / "index.html"


def mentions() -> list[tuple[str, str]]:
    found = []
    for path in (*PROSE, *CODE):
        text = path.read_text(encoding="utf-8")
        found += [(str(path.relative_to(ROOT)), mention.rstrip("./-")) for mention in MENTION.findall(text)]
    return found


def test_every_page_that_code_readme_and_docs_name_exists() -> None:
    found = mentions()
    assert len(found) > 20
    pages = [(where, what.partition("#")[0]) for where, what in found]
    assert [(where, what) for where, what in pages if not (ROOT / what).exists()] == []


def test_every_anchor_that_code_and_readme_name_exists(site: Path) -> None:
    anchored = [(where, *what.split("#")) for where, what in mentions() if "#" in what]
    assert anchored
    missing = [
        (where, page, anchor)
        for where, page, anchor in anchored
        if anchor not in Page(page_of(site, page).read_text()).anchors
    ]
    assert missing == []


def test_every_relative_link_of_a_file_outside_the_site_leads_somewhere() -> None:
    files = [path for path in PROSE if DOCS not in path.parents]
    links = [
        (path, link)
        for path in files
        for link in re.findall(r"\]\(([^)\s#]+)", path.read_text())
        if "://" not in link
    ]
    assert links
    assert [(str(path), link) for path, link in links if not (path.parent / link).exists()] == []


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    loads = {(str(page.relative_to(site)), load) for page in pages for load in Page(page.read_text()).loads}
    assert [load for load in loads if re.match(r"(https?:)?//", load[1])] == []
    styles = [style.read_text() for style in site.rglob("*.css")]
    assert [url for style in styles for url in re.findall(r"url\([\"']?((?:https?:)?//[^)]+)", style)] == []
    assert [url for style in styles for url in re.findall(r"@import[^;]*//[^;]*", style)] == []
    # The theme would fetch what draws diagrams from elsewhere.
    assert not any(Page(page.read_text()).diagrams for page in pages)


def test_a_load_from_another_host_is_seen() -> None:
    page = Page('<link rel="stylesheet" href="https://cdn.example/a.css"><script src="//cdn.example/b.js">')
    assert page.loads == ["https://cdn.example/a.css", "//cdn.example/b.js"]


def test_the_readme_is_short_and_says_what_matters() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) <= README_WORDS
    assert {"\nmake demo\n", "\nmake test\n"} <= {match for match in re.findall(r"\nmake \w+\n", text)}
    top = text[: text.index("## Try it")]
    assert "Never run on an AWS account" in top


def keys_of_settings() -> set[str]:
    """Return every key as ``section.key``, and the plain ones."""
    found = set()
    for name, field in Settings.model_fields.items():
        section = getattr(field.annotation, "model_fields", None)
        found |= {f"{name}.{key}" for key in section} if section is not None else {name}
    return found


def named_in_prose(*patterns: str) -> dict[str, str]:
    """Return what the patterns find in the prose, each with a place where it is named."""
    found = {}
    for path in PROSE:
        # The changelog tells of things as they were.
        if path.name != "CHANGELOG.md":
            for pattern in patterns:
                names = re.findall(pattern, path.read_text(), re.M)
                found |= {".".join([name] if isinstance(name, str) else name): path.name for name in names}
    return found


def test_every_setting_that_prose_names_exists() -> None:
    section = r"(serving|archive|review|training|bootstrap|evaluation)"
    named = named_in_prose(rf"`{section}\.([a-z_]+)\b(?!\()", rf"`\[{section}\] ([a-z_]+)")
    assert len(named) > 10
    assert {name: place for name, place in named.items() if name not in keys_of_settings()} == {}


def test_every_file_that_prose_names_exists() -> None:
    named = named_in_prose(r"`((?:plugins|include|dags|tests)/[\w./-]+)[` ]")
    assert len(named) > 20
    made_by_a_command = {"include/deploy/.env", "include/deploy/settings.toml"}
    missing = {name: place for name, place in named.items() if not (ROOT / name).exists()}
    assert missing.keys() - made_by_a_command == set()


def test_every_module_that_prose_names_exists() -> None:
    named = named_in_prose(r"\b(secondlook(?:\.[a-z_]+)+)\.[A-Z]")
    assert named
    places = {name: ROOT / "plugins" / name.replace(".", "/") for name in named}
    assert [
        name for name, place in places.items() if not (place.is_dir() or place.with_suffix(".py").exists())
    ] == []


def test_every_make_target_that_prose_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = named_in_prose(r"`make ([a-z-]+)", r"^make ([a-z-]+)(?= +[A-Z#]|$)")
    assert len(named) > 5
    assert {name: place for name, place in named.items() if name not in targets} == {}


def test_every_key_in_s3_that_prose_names_is_of_the_layout(site: Path) -> None:
    page = (site / "reference" / "s3-layout" / "index.html").read_text()
    keys = {as_pattern(unescape(key)) for key in re.findall(r"<td><code>([^<]+)</code></td>", page)}
    named = named_in_prose(
        r"`((?:budgets|reviews|training|jobs|predictions|manifests|evaluations|transforms|postponed)/[^` ]+)`"
    )
    assert len(named) > 5
    wrong = {
        name: place
        for name, place in named.items()
        if not any(key.startswith(as_pattern(name).rstrip("/")) for key in keys)
    }
    assert wrong == {}


def as_pattern(key: str) -> str:
    """Return the key with one sign for whatever is named between angle brackets, or numbered."""
    return re.sub(r"<[^>]+>|\b\d+\b", "*", key)


def test_every_setting_is_described(site: Path) -> None:
    page = (site / "reference" / "settings" / "index.html").read_text()
    assert {key for key in keys_of_settings() if f"<code>{key}</code>" not in page} == set()
    rows = re.findall(r"<tr>\s*<td><code>([^<]+)</code></td>(.*?)</tr>", page, re.S)
    assert [key for key, cells in rows if re.search(r"<td>\s*</td>\s*$", cells)] == []


def test_the_reference_has_every_operation_and_route_of_the_desk(site: Path) -> None:
    page = unescape((site / "reference" / "desk-api" / "index.html").read_text())
    routes = [route.path for route in WorkerApi(None, lambda _: None).routes()]  # type: ignore[arg-type]
    assert [path for path in routes if f"/{path.rpartition('/')[2]}" not in page] == []
    operations = {*handlers._RUNTIME, *handlers._CONTROL}
    assert {operation for operation in operations if f"<code>{operation}</code>" not in page} == set()


def classes(room: str, ending: str) -> set[str]:
    files = (ROOT / "plugins" / "secondlook" / room).rglob("*.py")
    names = {name for path in files for name in re.findall(r"^class ([A-Z]\w*)", path.read_text(), re.M)}
    return {name for name in names if name.endswith(ending)}


@pytest.mark.parametrize(
    ("page", "room", "ending"),
    [
        ("operators", "operators", "Operator"),
        ("operators", "sensors", "Sensor"),
        ("operators", "triggers", "Trigger"),
        ("hooks", "hooks", "Hook"),
    ],
)
def test_the_reference_has_every_public_class(site: Path, page: str, room: str, ending: str) -> None:
    anchors = Page((site / "reference" / page / "index.html").read_text()).anchors
    shown = {anchor.rpartition(".")[2] for anchor in anchors}
    wanted = classes(room, ending)
    assert wanted
    assert wanted - shown == set()


@pytest.mark.usefixtures("programs")
def test_the_dag_that_the_documentation_shows_is_one():
    page = (ROOT / "docs/how-to/own-dag.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    shown: dict = {}

    exec(compile(code.group(1), "own-dag.md", "exec"), shown)

    assert sorted(shown["dag"].task_ids) == ["launch", "plan"]
