"""Liquid with bounds on what one template can cost: time, rounds of loops, sizes that filters take and make.

Liquid itself limits each nest of loops, names and output. This module counts over the whole template, also
where loops follow one another, and limits the rest. What no check here can interrupt is ended with its
process (``pool``).
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from liquid import BoundTemplate, Environment, RenderContext
from liquid.exceptions import LiquidSyntaxError, ResourceLimitError
from liquid.utils.html import StripParser
from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# Of one thread's processor time, so that a busy machine does not fail a good template.
MAX_SECONDS = 5.0
# All loops of a template together.
MAX_ROUNDS = 50_000
MAX_TEXT = 16_000_000
MAX_ITEMS = 100_000
MAX_RAW_BLOCKS = 100

_MAX_BITS = 4096
_MAX_UNIQUE_ITEMS = 10_000
_MAX_DATE_CHARACTERS = 200
_LOOKUPS_PER_CHECK = 16
# These process a whole list or dict and take time in proportion.
_WHOLE = frozenset({"to_json", "size", "first", "last", "default"})
_RAW = re.compile(r"\{%-?\s*(?:raw|doc)\b")


@dataclass
class _Spent:
    """What one rendering has used, all its contexts together."""

    deadline: float = field(default_factory=lambda: time.thread_time() + MAX_SECONDS)
    rounds: int = 0

    def check_time(self) -> None:
        if time.thread_time() > self.deadline:
            raise _passed(f"it takes more than {MAX_SECONDS:.0f} seconds")

    def per_round(self, items: Iterator[Any]) -> Iterator[Any]:
        """The items of a loop, each of which is a round."""
        for item in items:
            self.rounds += 1
            if self.rounds > MAX_ROUNDS:
                raise _passed(f"its loops have more than {MAX_ROUNDS:,} rounds")
            self.check_time()
            yield item


class LimitedContext(RenderContext):
    """A render context with a limit of time and of rounds over the whole template."""

    def __init__(self, template: BoundTemplate, **arguments: Any) -> None:
        super().__init__(template, **arguments)
        parent = arguments.get("parent_context")
        self._spent: _Spent = parent._spent if isinstance(parent, LimitedContext) else _Spent()
        self._lookups = 0

    @contextlib.contextmanager
    def loop(self, namespace: Mapping[str, object], forloop: Any) -> Iterator[RenderContext]:
        """As Liquid does; ``forloop`` is what a ``for`` or ``tablerow`` tag takes its items from."""
        forloop.it = self._spent.per_round(forloop.it)
        with super().loop(namespace, forloop) as context:
            yield context

    def assign(self, key: str, val: Any) -> None:
        """As Liquid does, which sums up the sizes of all variables each time."""
        self._spent.check_time()
        super().assign(key, val)

    def get(self, path: list[object], **arguments: Any) -> object:
        """As Liquid does; comparing what variables hold may take long."""
        self._lookups += 1
        if self._lookups % _LOOKUPS_PER_CHECK == 0:
            self._spent.check_time()
        return super().get(path, **arguments)

    def filter(self, name: str, token: Any) -> Callable[..., object]:
        """The filter, which refuses operands and results beyond the bounds."""
        self._spent.check_time()
        plain = super().filter(name, token)

        def bounded(value: object, *operands: object, **named: object) -> object:
            _check_operands(name, value, operands)
            result = plain(value, *operands, **named)
            _check_result(result)
            return result

        return bounded


class _Stripper(StripParser):
    def parse_marked_section(self, i: int, report: int = 1) -> int:
        return self.parse_bogus_comment(i)


class LimitedTemplate(BoundTemplate):
    """A template that is rendered within bounds."""

    context_class = LimitedContext


class LimitedEnvironment(Environment):
    """Liquid with bounds: generous for a page of ten thousand boxes, far below what would harm the desk."""

    template_class = LimitedTemplate
    block_nesting_limit = 50
    context_depth_limit = 30
    loop_iteration_limit = MAX_ROUNDS
    local_namespace_limit = 8_000_000
    output_stream_limit = MAX_TEXT


def check_source(content: str) -> None:
    """Refuse what Liquid's lexer, a regular expression, takes hours for: it reads on to the end from each."""
    if "{" * 20 in content:
        raise LiquidSyntaxError("twenty braces in a row are not Liquid", token=None)
    if sum(1 for _ in _RAW.finditer(content)) > MAX_RAW_BLOCKS:
        raise LiquidSyntaxError(f"there are more than {MAX_RAW_BLOCKS} raw or doc tags", token=None)


def strip_html(value: object) -> str:
    """The text without its tags. As Liquid's own, but in time that grows with the text, not its square."""
    parser = _Stripper()
    parser.feed(str(value))
    # Not close(): that would look at an unfinished tag again and again.
    text = parser.get_data() + parser.rawdata
    return Markup(text) if isinstance(value, Markup) else text


def _check_operands(name: str, value: object, operands: tuple[object, ...]) -> None:
    for operand in (value, *operands):
        if isinstance(operand, range) or (isinstance(operand, (list, tuple)) and name not in _WHOLE):
            _check_items(operand, _MAX_UNIQUE_ITEMS if name == "uniq" else MAX_ITEMS)
    texts = [str(operand) for operand in operands if isinstance(operand, (str, int, float))]
    if name == "replace" and texts:
        grown = str(value).count(texts[0]) * max(map(len, texts))
        _check_size(grown, MAX_TEXT, "characters")
    elif name == "join" and texts and isinstance(value, (list, tuple, range)):
        _check_size(len(value) * len(texts[0]), MAX_TEXT, "characters")
    elif name == "date":
        _check_size(max(map(len, (str(value), *texts))), _MAX_DATE_CHARACTERS, "characters of a date")


def _check_result(result: object) -> None:
    if isinstance(result, str):
        _check_size(len(result), MAX_TEXT, "characters")
    elif isinstance(result, int):
        _check_size(result.bit_length(), _MAX_BITS, "binary digits")


def _check_items(value: range | list[Any] | tuple[Any, ...], limit: int) -> None:
    try:
        _check_size(len(value), limit, "items")
    except OverflowError:
        # A range beyond what Python can count.
        raise _passed(f"a filter works on more than {limit:,} items") from None


def _check_size(size: int, limit: int, what: str) -> None:
    if size > limit:
        raise _passed(f"a filter works on more than {limit:,} {what}")


def _passed(why: str) -> ResourceLimitError:
    return ResourceLimitError(why, token=None)
