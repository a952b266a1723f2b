"""output.json: built from committed answers and sent to S3 until S3 has it; only then does the loop end.

The document depends on nothing but the database, so that writing it twice (the desk was killed after the PUT
but before it noted its success) gives the same bytes. Source of its shape: SageMaker Developer Guide, "Amazon
A2I Output Data".
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, select, update

from include.formats.s3_uri import split_s3_uri
from include.review_desk import arns
from include.review_desk.clock import as_iso
from include.review_desk.events.event import record_end
from include.review_desk.storage import schema
from include.review_desk.storage.locks import lock_loop
from include.review_desk.storage.object_store import StoreUnavailable
from include.review_desk.work.task_rows import NOW, spent_ms

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.storage.database import AnyRow

logger = logging.getLogger(__name__)

_FIRST_RETRY_MS = 250
_LONGEST_RETRY_MS = 15_000
# While one process writes a document no other should; if it dies, this is how long the document waits.
_CLAIM_MS = 30_000
_BATCH = 50

_loops = schema.human_loops
_outbox = schema.outbox
_assignments = schema.assignments
_workers = schema.workers

_DUE = (
    select(_outbox, _loops.c.output_uri)
    .join(_loops, _loops.c.id == _outbox.c.loop_id)
    .where(_outbox.c.next_attempt_ms <= NOW)
    .order_by(_outbox.c.queued_ms, _outbox.c.loop_id)
    .limit(_BATCH)
)
_CLAIM = update(_outbox).where(
    _outbox.c.loop_id == bindparam("loop"), _outbox.c.next_attempt_ms == bindparam("seen_ms")
)
_LOOP = select(_loops).where(_loops.c.id == bindparam("loop"))
_ANSWERS = (
    select(_assignments, _workers.c.public_id, _workers.c.subject)
    .join(_workers, _workers.c.id == _assignments.c.worker_id)
    .where(_assignments.c.loop_id == bindparam("loop"), _assignments.c.state == "answered")
    .order_by(_assignments.c.submitted_ms, _assignments.c.id)
)
_WRITTEN = delete(_outbox).where(_outbox.c.loop_id == bindparam("loop"))
_END = update(_loops).where(_loops.c.id == bindparam("loop")).values(open_slots=0)


def forget_claims(desk: Desk) -> None:
    """At startup: documents being written when the desk stopped are due now; held ones still wait."""
    with desk.database.write() as connection:
        connection.execute(update(_outbox).where(_outbox.c.attempts > 0).values(next_attempt_ms=desk.clock()))


def deliver_due(desk: Desk) -> int:
    """Send every due document to S3, oldest first; returns how many were written.

    Once S3 turns out to be unreachable everything waits, so that a long queue does not cost a timeout for
    each.
    """
    delivered = 0
    while True:
        with desk.database.read() as connection:
            due = connection.execute(_DUE, {"now_ms": desk.clock()}).all()
        for entry in due:
            if not _claim(desk, entry):
                continue
            try:
                _deliver(desk, entry)
            except StoreUnavailable as refusal:
                _postpone(desk, entry, refusal)
                if refusal.away:
                    return delivered
            else:
                delivered += 1
        if len(due) < _BATCH:
            return delivered


def output_document(desk: Desk, connection: Connection, loop_id: int) -> dict[str, Any]:
    """The content of output.json for this loop; answers in the order they came."""
    loop = connection.execute(_LOOP, {"loop": loop_id}).one()
    answers = connection.execute(_ANSWERS, {"loop": loop_id}).all()
    return {
        "flowDefinitionArn": desk.config.arns.make(arns.FLOW_DEFINITION, loop.flow_name),
        "humanAnswers": [_human_answer(desk, row) for row in answers],
        "humanLoopName": loop.name,
        "inputContent": json.loads(loop.input_content),
    }


def _human_answer(desk: Desk, row: AnyRow) -> dict[str, Any]:
    return {
        "acceptanceTime": as_iso(row.accepted_ms),
        "answerContent": json.loads(row.answer),
        "submissionTime": as_iso(row.submitted_ms),
        "timeSpentInSeconds": spent_ms(row) / 1000,
        "workerId": row.public_id,
        "workerMetadata": {
            "identityData": {
                "identityProviderType": "Oidc",
                "issuer": desk.config.public_url,
                "sub": row.subject,
            }
        },
    }


def _claim(desk: Desk, entry: AnyRow) -> bool:
    with desk.database.write() as connection:
        seen = {"loop": entry.loop_id, "seen_ms": entry.next_attempt_ms}
        result = connection.execute(
            _CLAIM,
            seen | {"next_attempt_ms": desk.clock() + _CLAIM_MS, "attempts": entry.attempts + 1},
        )
    return result.rowcount == 1


def _deliver(desk: Desk, entry: AnyRow) -> None:
    with desk.database.read() as connection:
        document = output_document(desk, connection, entry.loop_id)
    body = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    bucket, key = split_s3_uri(entry.output_uri)
    desk.store.put_json(bucket, key, body)
    with desk.database.write() as connection:
        lock_loop(connection, entry.loop_id)
        this = {"loop": entry.loop_id}
        if connection.execute(_WRITTEN, this).rowcount:
            connection.execute(_END, this | {"status": entry.final_status, "ended_ms": desk.clock()})
            record_end(desk, connection, entry.loop_id)


def _postpone(desk: Desk, entry: AnyRow, refusal: StoreUnavailable) -> None:
    wait_ms = min(_LONGEST_RETRY_MS, _FIRST_RETRY_MS * 2 ** min(entry.attempts, 10))
    now_ms = desk.clock()
    with desk.database.write() as connection:
        connection.execute(
            update(_outbox)
            .where(_outbox.c.loop_id == entry.loop_id)
            .values(next_attempt_ms=now_ms + wait_ms, last_error=str(refusal)[:200])
        )
        if refusal.away:
            connection.execute(
                update(_outbox)
                .where(_outbox.c.next_attempt_ms < now_ms + wait_ms)
                .values(next_attempt_ms=now_ms + wait_ms, last_error=str(refusal)[:200])
            )
    logger.warning(
        "output.json not written to S3, trying again",
        extra={
            "loop_id": entry.loop_id,
            "reason": str(refusal),
            "attempts": entry.attempts + 1,
            "wait_ms": wait_ms,
        },
    )
