"""A JSON client over one kept connection to a service on this machine."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass
class JsonClient:
    """Calls `url` + path with JSON bodies. Not for use by several threads at once."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    timeout_seconds: float = 30.0
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return the status and the parsed body (text when it is not JSON, None when empty).

        A connection that the server had closed while idle is opened again once. Raises `OSError` when
        there is no answer.
        """
        payload = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", **self.headers}
        if payload is not None:
            headers["Content-Type"] = "application/json"
        fresh = self._connection is None
        try:
            return self._exchange(method, path, payload, headers)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            if fresh:
                raise _as_os_error(error) from error
        try:
            return self._exchange(method, path, payload, headers)
        except http.client.HTTPException as error:
            self.close()
            raise _as_os_error(error) from error

    def close(self) -> None:
        """Close the kept connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(
        self, method: str, path: str, payload: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Any]:
        if self._connection is None:
            host = urlsplit(self.url).netloc
            self._connection = http.client.HTTPConnection(host, timeout=self.timeout_seconds)
        self._connection.request(method, path, payload, headers)
        response = self._connection.getresponse()
        return response.status, _parsed(response.read())


def _as_os_error(error: Exception) -> OSError:
    return error if isinstance(error, OSError) else ConnectionError(str(error) or type(error).__name__)


def _parsed(data: bytes) -> Any:
    if not data:
        return None
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")
