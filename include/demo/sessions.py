"""The simulated reviewers' open sessions, so that nothing stays in the hands of one that was killed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.demo.http_json import JsonClient

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Sessions:
    """The reviewers' open sessions in a file of this user's alone, for the start after a sudden death."""

    file: Path
    _tokens: dict[str, str] = field(default_factory=dict)

    def keep(self, name: str, token: str) -> None:
        """Write down a person's new session."""
        self._tokens[name] = token
        part = self.file.with_suffix(".part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump(self._tokens, stream)
        os.replace(part, self.file)

    def give_back(self, desk: str) -> None:
        """Hand back the tasks of the stored sessions, and end them.

        A reviewer that was killed holds an image until the time limit, and no one else gets it.
        Raises `OSError` while the Review Desk does not answer.
        """
        if not self.file.exists():
            return
        for token in json.loads(self.file.read_text(encoding="utf-8")).values():
            client = JsonClient(desk, {"Authorization": f"Bearer {token}"})
            # Of a task in hand it gives that one; otherwise it may give another, which goes back as well.
            status, task = client.call("POST", "/worker/tasks/next", {})
            if status == 200:
                client.call("POST", f"/worker/tasks/{task['task']}/return", {})
            client.call("DELETE", "/worker/sessions")
        self.file.unlink()
