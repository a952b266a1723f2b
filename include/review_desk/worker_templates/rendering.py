"""Worker templates: Liquid as Amazon A2I renders it, with limits.

Templates and inputs are not trusted. Everything a template prints is escaped unless it says otherwise,
a template can reach nothing but ``task.input``, and what it may cost is bounded (``limits``). Source of the
filters: SageMaker Developer Guide, "Create Custom Worker Task Templates" (a2i-custom-templates).
"""

from __future__ import annotations

import functools
import html
import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from liquid import BoundTemplate, Undefined
from liquid.exceptions import (
    BlockNestingError,
    LiquidError,
    LiquidSyntaxError,
    ResourceLimitError,
    TemplateNotFoundError,
    UnknownFilterError,
)
from markupsafe import Markup
from markupsafe import escape as escape_markup

from include.review_desk.errors import LinkUnavailable, OutOfReach, RenderFailure
from include.review_desk.storage.links import MAX_LINK_SECONDS
from include.review_desk.storage.prefixes import Prefixes, is_within
from include.review_desk.storage.s3_uri import object_of
from include.review_desk.worker_templates.limits import LimitedEnvironment, check_source, strip_html

Presigner = Callable[[str, str, int], str]
"""(bucket, key, lifetime in seconds) -> URL that reads the object."""

NO_LINK = "data:,"
"""Placeholder for a link that could not be signed: no element can show it."""

_MAX_KEY_BYTES = 1024

_KEPT_TEMPLATES = 64


@dataclass
class _Links:
    """How one rendering makes its links, and to where (``reads``); failures of the kinds ``tolerated`` leave
    NO_LINK and a sentence."""

    presign: Presigner
    seconds: int = 3600
    reads: Prefixes = None
    tolerated: type[RenderFailure] | tuple[()] = ()
    faults: list[str] = field(default_factory=list)

    def to(self, bucket: str, key: str) -> str:
        try:
            if not is_within(self.reads, bucket, key):
                raise OutOfReach(
                    "InvalidParameters",
                    f'"grant_read_access" may not read s3://{bucket}/{key[:200]}.',
                )
            return self.presign(bucket, key, self.seconds)
        except self.tolerated as failure:
            if failure.message not in self.faults:
                self.faults.append(failure.message)
            return NO_LINK


_links: ContextVar[_Links] = ContextVar("links")


@dataclass(frozen=True)
class Page:
    """A task's page, and why some of its links could not be made: one sentence for each reason."""

    html: str
    link_faults: tuple[str, ...] = ()


class RawJson(Markup):
    """JSON that is printed as it is, yet that ``| escape`` still escapes, unlike other Markup."""

    __slots__ = ()


class Renderer:
    """Renders worker templates; safe to use from several threads."""

    def __init__(self, presign: Presigner) -> None:
        self._presign = presign
        self._environment = LimitedEnvironment(autoescape=True)
        self._environment.add_filter("grant_read_access", self._grant_read_access)
        self._environment.add_filter("to_json", _to_json)
        self._environment.add_filter("skip_autoescape", _skip_autoescape)
        self._environment.add_filter("escape", _escape)
        self._environment.add_filter("strip_html", strip_html)
        # A night's loops share a template, and parsing costs more than rendering.
        self._parse = functools.lru_cache(maxsize=_KEPT_TEMPLATES)(self._read)

    def render(
        self, content: str, task_input: Any, *, link_seconds: int = 3600, reads: Prefixes = None
    ) -> str:
        """Return the worker's page for ``task_input``; links to S3 live ``link_seconds``.

        Parameters
        ----------
        reads
            Where links may lead.

        Raises
        ------
        RenderFailure
            Syntax error, unknown filter, input that a filter refuses, or a limit passed.
        OutOfReach
            A link leads elsewhere.
        LinkUnavailable
            No link can be signed at present.
        """
        return self._render(content, task_input, _Links(self._presign, _lifetime(link_seconds), reads))

    def try_out(self, content: str, task_input: Any, *, reads: Prefixes = None) -> None:
        """Raise RenderFailure as ``render`` does, except where only a signature is missing."""
        links = _Links(self._presign, reads=reads, tolerated=LinkUnavailable)
        self._render(content, task_input, links)

    def page(
        self, content: str, task_input: Any, *, link_seconds: int = 3600, reads: Prefixes = None
    ) -> Page:
        """As ``render``, but a link that cannot be made is left out and reported: people see the rest."""
        links = _Links(self._presign, _lifetime(link_seconds), reads, tolerated=RenderFailure)
        return Page(self._render(content, task_input, links), tuple(links.faults))

    def render_unlinked(self, content: str, task_input: Any) -> str:
        """The page with NO_LINK for every link: enough to check an answer by, and needs nothing of S3."""
        return self._render(content, task_input, _Links(lambda _bucket, _key, _seconds: NO_LINK))

    def _render(self, content: str, task_input: Any, links: _Links) -> str:
        token = _links.set(links)
        try:
            template: BoundTemplate = self._parse(content)
            return str(template.render(task={"input": task_input}))
        except RenderFailure:
            raise
        except (ResourceLimitError, BlockNestingError, RecursionError, MemoryError) as error:
            raise RenderFailure(
                "TemplateLimitExceeded", f"The template is too large to render: {_line(error)}"
            ) from error
        except (LiquidSyntaxError, UnknownFilterError, TemplateNotFoundError) as error:
            raise RenderFailure("TemplateSyntaxError", _line(error)) from error
        except LiquidError as error:
            raise RenderFailure("InvalidParameters", _line(error)) from error
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # Liquid's own filters raise these for inputs they were not written for.
            raise RenderFailure("InvalidParameters", f"a filter refused its input: {_line(error)}") from error
        finally:
            _links.reset(token)

    def _read(self, content: str) -> BoundTemplate:
        check_source(content)
        return self._environment.from_string(content)

    def _grant_read_access(self, value: object) -> str:
        # What a {% capture %} holds is escaped already; the URI is not.
        uri = html.unescape(str(value)) if isinstance(value, Markup) else str(value)
        found = object_of(uri)
        if found is None or len(found[1].encode("utf-8", "replace")) > _MAX_KEY_BYTES:
            raise RenderFailure(
                "InvalidParameters", f'"grant_read_access" input is not a valid S3 URI: "{uri[:300]}".'
            )
        return _links.get().to(*found)


def _lifetime(seconds: int) -> int:
    return max(1, min(seconds, MAX_LINK_SECONDS))


def _to_json(value: object) -> RawJson:
    text = json.dumps(value, default=_jsonable, ensure_ascii=True)
    # JSON must not end the <script> or quoted attribute around it; as escapes these mean the same.
    for character in "<>&'":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return RawJson(text)


def _jsonable(value: object) -> object:
    return None if isinstance(value, Undefined) else str(value)


def _skip_autoescape(value: object) -> Markup:
    return Markup(str(value))


def _escape(value: object) -> Markup:
    if isinstance(value, RawJson):
        return Markup(html.escape(str(value), quote=True).replace("&#x27;", "&#39;"))
    return escape_markup("" if isinstance(value, Undefined) else value)


def _line(error: BaseException) -> str:
    """The first line of the error's message, with the template's line where Liquid knows it."""
    text = " ".join(str(error.args[0] if error.args else type(error).__name__).split())
    position = error.context() if isinstance(error, LiquidError) and error.token is not None else None
    return f"{text} (line {position[0]})" if position else text
