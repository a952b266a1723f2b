"""Worker templates: pages for people, checks for programs, and the links to S3 in them.

Templates and inputs are not trusted. Everything a template prints is escaped unless it says otherwise,
a template can reach nothing but ``task.input``, and what it may cost is bounded (``limits``). Liquid runs in
an :class:`~include.review_desk.worker_templates.engine.Engine`: in this process, or in processes of its own
that can be killed (``pool``). Links are made here, never where a template runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from include.review_desk.errors import LinkUnavailable, OutOfReach, RenderFailure
from include.review_desk.storage.links import MAX_LINK_SECONDS
from include.review_desk.storage.prefixes import Prefixes, is_within
from include.review_desk.worker_templates.engine import Crew, Engine, LiquidEngine

Presigner = Callable[[str, str, int], str]
"""(bucket, key, lifetime in seconds) -> URL that reads the object."""

NO_LINK = "data:,"
"""Placeholder for a link that could not be signed: no element can show it."""


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


@dataclass(frozen=True)
class Page:
    """A task's page, and why some of its links could not be made: one sentence for each reason."""

    html: str
    link_faults: tuple[str, ...] = ()


class Renderer:
    """Renders worker templates; safe to use from several threads."""

    def __init__(self, presign: Presigner, engine: Engine | None = None) -> None:
        self._presign = presign
        self._engine = engine or LiquidEngine()

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
        links = _Links(self._presign, _lifetime(link_seconds), reads)
        return self._engine.run(Crew.PROGRAMS, content, task_input, links.to)

    def try_out(self, content: str, task_input: Any, *, reads: Prefixes = None) -> None:
        """Raise RenderFailure as ``render`` does, except where only a signature is missing."""
        links = _Links(self._presign, reads=reads, tolerated=LinkUnavailable)
        self._engine.run(Crew.PROGRAMS, content, task_input, links.to)

    def page(
        self, content: str, task_input: Any, *, link_seconds: int = 3600, reads: Prefixes = None
    ) -> Page:
        """As ``render``, but a link that cannot be made is left out and reported: people see the rest."""
        links = _Links(self._presign, _lifetime(link_seconds), reads, tolerated=RenderFailure)
        html = self._engine.run(Crew.PAGES, content, task_input, links.to)
        return Page(html, tuple(links.faults))

    def render_unlinked(self, content: str, task_input: Any) -> str:
        """The page with NO_LINK for every link: enough to check an answer by, and needs nothing of S3."""
        return self._engine.run(Crew.ANSWERS, content, task_input, lambda _bucket, _key: NO_LINK)


def _lifetime(seconds: int) -> int:
    return max(1, min(seconds, MAX_LINK_SECONDS))
