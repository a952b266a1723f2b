"""Pages that links from Airflow lead to: a loop, a flow definition. No personal data on either."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from include.review_desk.aws_api import loops
from include.review_desk.clock import as_datetime
from include.review_desk.storage import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from include.review_desk.context import Desk
    from include.review_desk.storage.database import AnyRow

LATEST_LOOPS = 100

_loops = schema.human_loops
_flows = schema.flow_definitions


def home_page(desk: Desk) -> str:
    """The flow definitions there are."""
    with desk.database.read() as connection:
        rows = connection.execute(
            select(_flows.c.name, _flows.c.status, _flows.c.created_ms)
            .where(_flows.c.live_name.is_not(None))
            .order_by(_flows.c.created_ms.desc(), _flows.c.id.desc())
            .limit(LATEST_LOOPS)
        ).all()
    cells = [(_link("flows", row.name), _badge(row.status), _time(row.created_ms)) for row in rows]
    table = _table(("Flow definition", "Status", "Created"), cells, "No flow definition yet.")
    return _page("Review Desk", table)


def flow_page(desk: Desk, name: str) -> str | None:
    """Counts and latest loops of a flow definition; None when there is none of this name."""
    with desk.database.read() as connection:
        flow = connection.execute(select(_flows).where(_flows.c.live_name == name)).one_or_none()
        if flow is None:
            return None
        counts = loops.count_by_status(connection, name)
        rows = connection.execute(
            select(_loops.c.name, _loops.c.status, _loops.c.created_ms, _loops.c.answers, _loops.c.task_count)
            .where(_loops.c.flow_name == name, _loops.c.live_name.is_not(None))
            .order_by(_loops.c.created_ms.desc(), _loops.c.id.desc())
            .limit(LATEST_LOOPS)
        ).all()
    config = json.loads(flow.config)
    loop_config = config["HumanLoopConfig"]
    facts = [
        ("Status", _badge(flow.status)),
        ("Title", escape(loop_config["TaskTitle"])),
        ("Created", _time(flow.created_ms)),
        ("People per loop", str(loop_config["TaskCount"])),
        ("Work team", escape(loop_config["WorkteamArn"].rpartition("/")[2])),
        ("Worker template", escape(loop_config["HumanTaskUiArn"].rpartition("/")[2])),
        ("Output", f"<code>{escape(config['OutputConfig']['S3OutputPath'])}</code>"),
        ("Loops", _counts(counts)),
    ]
    cells = [
        (
            _link("loops", row.name),
            _badge(row.status),
            f"{row.answers} of {row.task_count}",
            _time(row.created_ms),
        )
        for row in rows
    ]
    table = _table(("Human loop", "Status", "Answers", "Created"), cells, "No loop yet.")
    return _page(f"Flow definition {name}", _facts(facts) + "<h2>Latest loops</h2>" + table)


def loop_page(desk: Desk, name: str) -> str | None:
    """Status and times of a loop; None when there is none of this name."""
    with desk.database.read() as connection:
        row = connection.execute(select(_loops).where(_loops.c.live_name == name)).one_or_none()
        if row is None:
            return None
        assignments, outbox = schema.assignments, schema.outbox
        at_work = connection.scalar(
            select(func.count()).where(assignments.c.loop_id == row.id, assignments.c.state == "working")
        )
        pending = connection.execute(select(outbox).where(outbox.c.loop_id == row.id)).one_or_none()
    facts = [
        ("Status", _badge(row.status)),
        ("Flow definition", _link("flows", row.flow_name)),
        ("Created", _time(row.created_ms)),
        ("Answers", f"{row.answers} of {row.task_count}, {at_work} in work"),
        ("Available until", _time(row.available_until_ms)),
    ]
    if row.ended_ms is not None:
        facts.append(("Ended", _time(row.ended_ms)))
    facts += _outcome(row, pending)
    return _page(f"Human loop {name}", _facts(facts))


def missing_page(what: str, name: str) -> str:
    """What is shown for a name that nothing has."""
    return _page(
        "Not found", f"<p>There is no {escape(what)} <b>{escape(name)}</b>: it may have been deleted.</p>"
    )


def _outcome(row: AnyRow, pending: AnyRow | None) -> list[tuple[str, str]]:
    if row.failure_code:
        reason = f"{escape(row.failure_code)}: {escape(row.failure_reason or '')}"
        return [("Failure", reason)]
    facts = [("Output", f"<code>{escape(row.output_uri)}</code>")]
    if pending is not None:
        error = f", last refusal {escape(pending.last_error)}" if pending.last_error else ""
        facts.append(("Waiting for S3", f"since {_time(pending.queued_ms)}{error}"))
    return facts


def _counts(counts: dict[str, int]) -> str:
    return " ".join(f"{_badge(status)} {count}" for status, count in sorted(counts.items())) or "none"


def _badge(status: str) -> str:
    return f'<span class="badge {escape(status.lower())}">{escape(status)}</span>'


def _time(time_ms: int) -> str:
    moment = as_datetime(time_ms)
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M:%S} UTC</time>'


def _link(folder: str, name: str) -> str:
    return f'<a href="/{folder}/{escape(name)}">{escape(name)}</a>'


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{term}</dt><dd>{html}</dd>" for term, html in facts) + "</dl>"


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], empty: str) -> str:
    if not rows:
        return f"<p>{empty}</p>"
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _page(title: str, content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
        '<link rel="stylesheet" href="/static/desk.css"></head><body>'
        '<header><a href="/">Review Desk</a></header>'
        f"<main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
