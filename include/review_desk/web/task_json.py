"""Tasks and answers as the worker API writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.review_desk.clock import as_iso

if TYPE_CHECKING:
    from include.review_desk.work import standing, submission, tasks


def moment(time_ms: int | None) -> str | None:
    """ISO 8601 in UTC, or null."""
    return None if time_ms is None else as_iso(time_ms)


def acknowledged(done: submission.Acknowledgement) -> dict[str, Any]:
    """The response to answering and correcting."""
    until = moment(done.correctable_until_ms)
    return {"loop": done.loop, "status": done.status, "correctable_until": until}


def task_json(task: tasks.Task) -> dict[str, Any]:
    """A task without its page, input and answer."""
    return {
        "task": task.task,
        "loop": task.loop,
        "flow": task.flow,
        "title": task.title,
        "description": task.description,
        "state": task.state,
        "paused": task.paused,
        "accepted": as_iso(task.accepted_ms),
        "limit": as_iso(task.limit_ms),
        "lease_expires": as_iso(task.lease_expires_ms),
        "frame": f"/frames/{task.task}",
    }


def given_json(answer: standing.GivenAnswer) -> dict[str, Any]:
    """One of a person's own answers."""
    return {
        "task": answer.task,
        "loop": answer.loop,
        "flow": answer.flow,
        "title": answer.title,
        "submitted": as_iso(answer.submitted_ms),
        "seconds": answer.seconds,
        "correctable_until": moment(answer.correctable_until_ms),
        "corrections": answer.corrections,
    }
