"""Starting a human loop.

A name belongs to one loop until that loop is deleted. Starting it again with the same input finds that loop,
whatever its status: a caller that retries never has a person review the same input twice.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from include.review_desk import arns
from include.review_desk.errors import InvalidRequest, LoopConflict, OutOfReach, RenderFailure
from include.review_desk.events.event import record_end
from include.review_desk.loops import flow_config
from include.review_desk.loops.flows import ACTIVE
from include.review_desk.loops.status import FAILED, IN_PROGRESS
from include.review_desk.people.purposes import UNLIMITED, Purpose
from include.review_desk.storage import prefixes, schema
from include.review_desk.storage.journal_entries import note_loop
from include.review_desk.storage.s3_uri import output_uri
from include.review_desk.strict_json import JsonFault, parse_json

if TYPE_CHECKING:
    from include.review_desk.context import Desk
    from include.review_desk.storage.database import AnyRow
    from include.review_desk.storage.prefixes import Prefixes

_MAX_REASON_CHARACTERS = 1024

_loops = schema.human_loops


def start(
    desk: Desk,
    *,
    name: str,
    flow_arn: str,
    content: str,
    data_attributes: str,
    purpose: Purpose = UNLIMITED,
) -> None:
    """Start a human loop, or find the one that the same call started before.

    A template that does not render with this input makes a loop that has Failed with ValidationError, as on
    A2I.

    Parameters
    ----------
    content
        InputContent, JSON as a string.
    data_attributes
        DataAttributes as canonical JSON.
    purpose
        What the caller's key was made for. The loop's links lead only to where both this key and the one that
        made the flow definition may read, however the template turns out later.

    Raises
    ------
    AccessDenied
        Output or links lie where the key may not write or read.
    InvalidRequest
        InputContent is not JSON, the flow definition does not exist or its worker template is gone.
    LoopConflict
        The name belongs to a loop with other input.
    """
    task_input = _parse_input(content)
    wanted = (desk.config.arns.name_of(arns.FLOW_DEFINITION, flow_arn), content, data_attributes)
    with desk.database.read() as connection:
        known = _same_loop_exists(connection, name, wanted)
        if not known:
            flow, template_sha256, template = _flow_for_start(desk, connection, flow_arn)
    if known:
        return
    purpose.check_output(json.loads(flow.config)["OutputConfig"]["S3OutputPath"])
    reads = prefixes.common(purpose.reads, prefixes.loaded(flow.read_prefixes))
    try:
        reason = _render_fault(desk, template, task_input, reads)
    except OutOfReach as failure:
        raise replace(purpose, reads=reads).out_of_reach(failure.message) from None
    row = _new_loop(desk, name, flow, template_sha256, content, data_attributes, reason)
    row["read_prefixes"] = prefixes.stored(reads)
    try:
        with desk.database.write() as connection:
            _check_flow_active(connection, flow.id, flow_arn)
            loop_id = schema.inserted_id(connection.execute(insert(_loops).values(row)))
            note_loop(connection, loop_id)
            if reason:
                record_end(desk, connection, loop_id)
    except IntegrityError:
        # Another call has started this name in the meantime.
        with desk.database.read() as connection:
            if not _same_loop_exists(connection, name, wanted):
                raise


def _parse_input(content: str) -> Any:
    try:
        return parse_json(content)
    except JsonFault as fault:
        raise InvalidRequest(f"InputContent is not valid JSON: {fault}.") from None


def _same_loop_exists(connection: Connection, name: str, wanted: tuple[str | None, str, str]) -> bool:
    row = connection.execute(
        select(_loops.c.flow_name, _loops.c.input_content, _loops.c.data_attributes).where(
            _loops.c.live_name == name
        )
    ).one_or_none()
    if row is None:
        return False
    if tuple(row) == wanted:
        return True
    raise LoopConflict(
        "Your request has the same name as another active human loop but has different input data. "
        "You cannot start two human loops with the same name and different input data."
    )


def _flow_for_start(desk: Desk, connection: Connection, flow_arn: str) -> tuple[AnyRow, str, str]:
    flows, uis, templates = schema.flow_definitions, schema.human_task_uis, schema.templates
    name = desk.config.arns.name_of(arns.FLOW_DEFINITION, flow_arn)
    live = select(flows).where(flows.c.live_name == name)
    flow = connection.execute(live).one_or_none() if name is not None else None
    if flow is None:
        raise InvalidRequest(f"The flow definition {flow_arn} does not exist.")
    if flow.status != ACTIVE:
        raise InvalidRequest(
            f"The flow definition {flow_arn} has the status {flow.status}: it takes no new loops."
        )
    template = connection.execute(
        select(templates.c.sha256, templates.c.content)
        .join(uis, uis.c.template_sha256 == templates.c.sha256)
        .where(uis.c.name == flow.human_task_ui)
    ).one_or_none()
    if template is None:
        raise InvalidRequest(
            f"The human task UI {flow.human_task_ui} of {flow_arn} was deleted: no loop can start."
        )
    return flow, template.sha256, template.content


def _check_flow_active(connection: Connection, flow_id: int, flow_arn: str) -> None:
    flows = schema.flow_definitions
    status = select(flows.c.status).where(flows.c.id == flow_id).with_for_update(read=True)
    if connection.scalar(status) != ACTIVE:
        raise InvalidRequest(f"The flow definition {flow_arn} is being deleted: it takes no new loops.")


def _render_fault(desk: Desk, template: str, task_input: Any, reads: Prefixes) -> str | None:
    try:
        desk.renderer.try_out(template, task_input, reads=reads)
    except OutOfReach:
        # Not a fault of the task: the call is refused, and no loop is made.
        raise
    except RenderFailure as failure:
        return f"Task failed to render: [ {failure.code}: '{failure.message}' ]"[:_MAX_REASON_CHARACTERS]
    return None


def _new_loop(
    desk: Desk,
    name: str,
    flow: AnyRow,
    template_sha256: str,
    content: str,
    data_attributes: str,
    fault: str | None,
) -> dict[str, Any]:
    config = json.loads(flow.config)
    task_count = config["HumanLoopConfig"]["TaskCount"]
    now_ms = desk.clock()
    return {
        "name": name,
        "live_name": name,
        "flow_id": flow.id,
        "flow_name": flow.name,
        "team_id": flow.team_id,
        "template_sha256": template_sha256,
        "input_content": content,
        "data_attributes": data_attributes,
        "output_uri": output_uri(config["OutputConfig"]["S3OutputPath"], flow.name, now_ms, name),
        "task_count": task_count,
        "open_slots": 0 if fault else task_count,
        "status": FAILED if fault else IN_PROGRESS,
        "failure_code": "ValidationError" if fault else None,
        "failure_reason": fault,
        "created_ms": now_ms,
        "available_until_ms": now_ms + flow_config.availability_seconds(flow.config) * 1000,
        "ended_ms": now_ms if fault else None,
    }
