"""Liquid as Amazon A2I renders it: its filters, its escaping, the names of its errors.

Source of the filters: SageMaker Developer Guide, "Create Custom Worker Task Templates"
(a2i-custom-templates).
"""

from __future__ import annotations

import functools
import html
import json
from collections.abc import Callable
from contextvars import ContextVar
from enum import Enum
from typing import Any, Protocol

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

from include.review_desk.errors import RenderFailure
from include.review_desk.storage.s3_uri import object_of
from include.review_desk.worker_templates.limits import LimitedEnvironment, check_source, strip_html

Link = Callable[[str, str], str]
"""(bucket, key) -> what ``grant_read_access`` prints."""

_MAX_KEY_BYTES = 1024

_KEPT_TEMPLATES = 64

_link: ContextVar[Link] = ContextVar("link")


class Crew(Enum):
    """Whom a rendering is for. None of them waits for the templates of another."""

    PROGRAMS = "programs"
    PAGES = "pages"
    ANSWERS = "answers"


class Engine(Protocol):
    """Runs Liquid."""

    def run(self, crew: Crew, content: str, task_input: Any, link: Link) -> str:
        """Return the page. Raises RenderFailure, also one that ``link`` raises."""
        ...


class RawJson(Markup):
    """JSON that is printed as it is, yet that ``| escape`` still escapes, unlike other Markup."""

    __slots__ = ()


class LiquidEngine:
    """Liquid in this process; safe to use from several threads."""

    def __init__(self) -> None:
        self._environment = LimitedEnvironment(autoescape=True)
        self._environment.add_filter("grant_read_access", _grant_read_access)
        self._environment.add_filter("to_json", _to_json)
        self._environment.add_filter("skip_autoescape", _skip_autoescape)
        self._environment.add_filter("escape", _escape)
        self._environment.add_filter("strip_html", strip_html)
        # A night's loops share a template, and parsing costs more than rendering.
        self._parse = functools.lru_cache(maxsize=_KEPT_TEMPLATES)(self._read)

    def run(self, _crew: Crew, content: str, task_input: Any, link: Link) -> str:
        """As :class:`Engine` says."""
        token = _link.set(link)
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
            _link.reset(token)

    def _read(self, content: str) -> BoundTemplate:
        check_source(content)
        return self._environment.from_string(content)


def _grant_read_access(value: object) -> str:
    # What a {% capture %} holds is escaped already; the URI is not.
    uri = html.unescape(str(value)) if isinstance(value, Markup) else str(value)
    found = object_of(uri)
    if found is None or len(found[1].encode("utf-8", "replace")) > _MAX_KEY_BYTES:
        raise RenderFailure(
            "InvalidParameters", f'"grant_read_access" input is not a valid S3 URI: "{uri[:300]}".'
        )
    return _link.get()(*found)


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
