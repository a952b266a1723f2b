"""The note of a task instance, written through Airflow's public REST API (v2).

Airflow 3.3 offers a running task no other way: the Task SDK and the execution API have no notes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseHook

if TYPE_CHECKING:
    import httpx

    from secondlook.runtime.task_log import Log

TIMEOUT_SECONDS = 10.0
TRIES = 3
MOST_CHARACTERS = 1000
"""Of a note (Airflow REST API, TaskInstance, note)."""


class NoteError(Exception):
    """A note could not be written; the message is a clause that says why."""


class TaskNote:
    """What a task has to tell people: collected while it runs, and written as the note of its instance.

    A note that cannot be written is told in the log and stops nothing.

    Parameters
    ----------
    conn_id
        Airflow connection to the API server; None or empty: the task gets no note.
    log
        The task's log.
    """

    def __init__(self, conn_id: str | None, log: Log) -> None:
        self._conn_id = conn_id
        self._log = log
        self._sentences: list[str] = []

    def add(self, sentence: str) -> None:
        """Keep a sentence for the note."""
        self._sentences.append(sentence)

    def warn(self, sentence: str) -> None:
        """Warn in the log, and keep the sentence for the note."""
        self._log.warning(sentence)
        self.add(sentence)

    def write(self, ti: Any) -> None:
        """Write all sentences as the note of a task instance."""
        text = " ".join(self._sentences)
        if not self._conn_id:
            return
        try:
            write_note(self._conn_id, ti, text)
        except NoteError as error:
            self._log.warning(
                "The task's note could not be written: %s. It would have been: %s", *(error, text)
            )


def write_note(conn_id: str, ti: Any, text: str) -> None:
    """Write the note of a task instance, replacing the one it has.

    Parameters
    ----------
    conn_id
        Airflow connection to the API server: host, port and schema, log-in and password of a user who may
        edit task instances; without a log-in, the password is used as a token.
    ti
        The task instance: ``dag_id``, ``run_id``, ``task_id`` and ``map_index``.
    text
        The note; cut off after :data:`MOST_CHARACTERS`.

    Raises
    ------
    NoteError
        The connection does not exist, or the API server is unreachable or refuses.
    """
    import httpx
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise NoteError(f"there is no connection {conn_id}") from None
    path = f"/api/v2/dags/{quote(ti.dag_id)}/dagRuns/{quote(ti.run_id, safe='')}/taskInstances/{ti.task_id}"
    if ti.map_index >= 0:
        path += f"/{ti.map_index}"
    try:
        with httpx.Client(base_url=_address(connection), timeout=TIMEOUT_SECONDS) as client:
            headers = {"Authorization": f"Bearer {_token(client, connection)}"}
            body = {"note": text[:MOST_CHARACTERS]}
            _must(client, "PATCH", path, json=body, headers=headers, params={"update_mask": "note"})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoteError(f"{conn_id} cannot be reached: {error or type(error).__name__}") from error


def _address(connection: Any) -> str:
    host = str(connection.host or "")
    if "://" in host:
        return host.rstrip("/")
    port = f":{connection.port}" if connection.port else ""
    return f"{connection.schema or 'http'}://{host}{port}"


def _token(client: httpx.Client, connection: Any) -> str:
    if not connection.login:
        return str(connection.password)
    credentials = {"username": connection.login, "password": connection.password}
    answer = _must(client, "POST", "/auth/token", json=credentials)
    try:
        return str(answer.json()["access_token"])
    except (ValueError, KeyError, TypeError):
        raise NoteError(f"{answer.url} gave no token: it is not an Airflow API server") from None


def _must(client: httpx.Client, method: str, path: str, **request: Any) -> httpx.Response:
    """Send a request, and retry on a server error (SQLite may be busy with another writer)."""
    for _ in range(TRIES):
        answer = client.request(method, path, **request)
        if answer.status_code < 500:
            break
    if answer.is_error:
        raise NoteError(f"{method} {path} returned HTTP status {answer.status_code}")
    return answer
