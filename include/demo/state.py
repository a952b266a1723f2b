"""Where one demo keeps everything, and the secrets and ports that it generated for itself."""

from __future__ import annotations

import base64
import json
import os
import secrets
import string
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from include.demo.deployment import ONE_MACHINE, Deployment
from include.demo.machine import LOOPBACK, free_ports, is_free

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
ACCOUNT_ID = "111122223333"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/second-look-demo"
BUCKET = "second-look-demo"
PREFIX = "second-look"
TEAM = "second-look"
SERVICES = ("s3", "sagemaker", "desk", "airflow")
PORTS = (*SERVICES, "postgres")
REVIEWERS = ("reviewer-1", "reviewer-2", "reviewer-3")
PERSON = "reviewer"


@dataclass(frozen=True)
class Secrets:
    """Generated once per state folder; written with mode 600 and never logged."""

    access_key: str
    secret_key: str
    admin_password: str
    jwt_secret: str
    api_secret: str
    fernet_key: str
    database_password: str
    reviewers: dict[str, str]
    ports: dict[str, int]


@dataclass(frozen=True)
class State:
    """One state folder; every other path lies below it.

    `moved`: the services whose port another program has taken since the last start.
    """

    folder: Path
    secrets: Secrets
    deployment: Deployment = ONE_MACHINE
    moved: tuple[str, ...] = ()

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.folder / "logs"

    @property
    def archive(self) -> Path:
        """The archive as it will lie in S3."""
        return self.folder / "archive"

    @property
    def settings_file(self) -> Path:
        """What SECONDLOOK_SETTINGS names."""
        return self.folder / "settings.toml"

    @property
    def truth_file(self) -> Path:
        """What the simulated reviewers know."""
        return self.folder / "truth.jsonl"

    @property
    def schedule_file(self) -> Path:
        """Whose schedule the settings follow."""
        return self.folder / "schedule.json"

    @property
    def sessions_file(self) -> Path:
        """The simulated reviewers' open sessions; readable by this user alone."""
        return self.folder / "sessions.json"

    @property
    def tally_file(self) -> Path:
        """Answers given so far, per night."""
        return self.folder / "answers.json"

    @property
    def desk_access_file(self) -> Path:
        """Airflow's own access key for the Review Desk; readable by this user alone."""
        return self.folder / "desk-access.json"

    def url(self, service: str) -> str:
        """The address of one of `SERVICES`."""
        return f"http://{LOOPBACK}:{self.secrets.ports[service]}"

    def write_private(self, name: str, content: object) -> Path:
        """Write JSON that only this user may read."""
        path = self.folder / name
        _write_private(path, content)
        return path


def open_state(folder: Path, deployment: Deployment = ONE_MACHINE) -> State:
    """Open a state folder, generating its secrets and ports at first.

    A stored port that another process has taken since is replaced by a free one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, moved = folder / "secrets.json", ()
    if not path.exists():
        kept = _generate()
    else:
        new, known = asdict(_generate()), json.loads(path.read_text(encoding="utf-8"))
        # An older folder lacks what came later; whatever is not known any more stays behind.
        kept = Secrets(**{name: known.get(name, value) for name, value in new.items()})
        ports = new["ports"] | {name: port for name, port in known["ports"].items() if is_free(port)}
        moved = tuple(name for name, port in known["ports"].items() if port != ports[name])
        kept = replace(kept, ports=ports)
    _write_private(path, asdict(kept))
    return State(folder.resolve(), kept, deployment, moved)


def _generate() -> Secrets:
    alphabet = string.ascii_uppercase + string.digits
    return Secrets(
        access_key="AKIA" + "".join(secrets.choice(alphabet) for _ in range(16)),
        secret_key=secrets.token_urlsafe(30),
        admin_password=secrets.token_urlsafe(12),
        jwt_secret=secrets.token_urlsafe(48),
        api_secret=secrets.token_urlsafe(32),
        fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        database_password=secrets.token_urlsafe(24),
        reviewers={name: secrets.token_urlsafe(12) for name in (*REVIEWERS, PERSON)},
        ports=dict(zip(PORTS, free_ports(len(PORTS)), strict=True)),
    )


def _write_private(path: Path, content: object) -> None:
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(content, stream, indent=1)
    os.replace(part, path)
