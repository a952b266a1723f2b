"""The demo's settings: facts of the deployment, and hyperparameters that learn within a minute."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from include.demo.archive import HOLDOUT_VERSION
from include.demo.state import BUCKET, PREFIX, ROLE_ARN, ROOT, TEAM

if TYPE_CHECKING:
    from pathlib import Path

FLOW = "second-look"
ENDPOINT = "second-look"
POOLS_FILE = ROOT / "include" / "settings" / "pools.json"
# On this machine a job takes seconds; much shorter, and Airflow would not keep up with a task that resumes.
POLL_SECONDS = 3.0


@dataclass(frozen=True)
class Schedule:
    """How long the demo trains, on what mix, and how many reviews a night it asks for.

    `image_shape` is in pixels a side; epochs are those of the first and of each further training;
    `replay_ratio` is old images per new answer, `min_new_answers` what a training needs at least,
    `review_timeout_seconds` how long a night waits for its reviewers.
    """

    image_shape: int
    bootstrap_epochs: int
    incremental_epochs: int
    review_limit: int
    replay_ratio: float
    min_new_answers: int = 20
    review_timeout_seconds: int = 1800


# Chosen so that the first model is clearly improvable and each night's training takes half a minute.
DRAWN = Schedule(
    image_shape=128, bootstrap_epochs=10, incremental_epochs=14, review_limit=80, replay_ratio=2.0
)
# Photographs with many small cells need more pixels, and the few of a small folder more replay.
PHOTOS = Schedule(
    image_shape=160, bootstrap_epochs=24, incremental_epochs=24, review_limit=50, replay_ratio=2.0
)

# The algorithm wants a batch of images in each channel.
MINI_BATCH_SIZE = 8

# A number of images that suits a person who only wants to try it, and an evening to answer in.
PERSON_REVIEW_LIMIT = 12


def for_person(schedule: Schedule) -> Schedule:
    """The schedule with few reviews a night, long waits, and more replay in place of the missing answers."""
    return replace(
        schedule,
        review_limit=PERSON_REVIEW_LIMIT,
        replay_ratio=6.0,
        min_new_answers=4,
        review_timeout_seconds=24 * 3600,
    )


# What `for_person` changes, by its place in the settings file.
PLACES = {
    "review_limit": ("review", "limit"),
    "review_timeout_seconds": ("review", "timeout_seconds"),
    "replay_ratio": ("training", "replay_ratio"),
    "min_new_answers": ("training", "min_new_answers"),
}


@dataclass(frozen=True)
class Follower:
    """Keeps a settings file in step with who reviews, start by start.

    `file` remembers what was written, so that a value which a user changed by hand is told from ours and
    stays.
    """

    settings: Path
    file: Path

    def begin(self, base: Schedule, for_me: bool, values: dict[str, Any]) -> None:
        """Remember the schedule that the first `values` were made with."""
        write_settings(self.settings, values)
        self._remember(base, for_me)

    def follow(self, for_me: bool) -> list[str]:
        """Write what this start's reviewers need; returns the settings that a user chose and that stay."""
        base, written = self._remembered()
        wanted = for_person(base) if for_me else base
        found = tomllib.loads(self.settings.read_text(encoding="utf-8"))
        text, kept = self.settings.read_text(encoding="utf-8"), []
        for name, (table, key) in PLACES.items():
            value = found.get(table, {}).get(key)
            if written is not None and value != getattr(written, name):
                kept.append(f"[{table}] {key} = {value}")
            else:
                text = _with_value(text, table, key, getattr(wanted, name))
        part = self.settings.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(self.settings)
        self._remember(base, for_me)
        return kept

    def _remember(self, base: Schedule, for_me: bool) -> None:
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps({"base": asdict(base), "for_me": for_me}), encoding="utf-8")
        part.replace(self.file)

    def _remembered(self) -> tuple[Schedule, Schedule | None]:
        """The first start's schedule, and the last one written; an older folder remembers neither."""
        if not self.file.exists():
            values = tomllib.loads(self.settings.read_text(encoding="utf-8"))
            shape = values["bootstrap"]["hyperparameters"]["image_shape"]
            return (PHOTOS if shape == PHOTOS.image_shape else DRAWN), None
        known = json.loads(self.file.read_text(encoding="utf-8"))
        base = Schedule(**known["base"])
        return base, for_person(base) if known["for_me"] else base


def _with_value(text: str, table: str, key: str, value: object) -> str:
    """The TOML text with one value of a table replaced, all other lines as they are."""
    lines, inside = text.splitlines(keepends=True), False
    for number, line in enumerate(lines):
        if line.startswith("["):
            inside = line.split("#")[0].strip() == f"[{table}]"
        elif inside and line.split("=")[0].strip() == key:
            lines[number] = f"{key} = {_value(value)}\n"
    return "".join(lines)


def write_settings(path: Path, values: dict[str, Any]) -> None:
    """Write the file that SECONDLOOK_SETTINGS names."""
    path.write_text(_toml(values), encoding="utf-8")


def batch_size(validation_images: int) -> int:
    """The images of a batch: few if a small folder gives few to validate with, some of them unusable."""
    return max(1, min(MINI_BATCH_SIZE, validation_images // 2))


def demo_settings(
    labels: tuple[str, ...], schedule: Schedule, mini_batch_size: int = MINI_BATCH_SIZE
) -> dict[str, Any]:
    """The settings as plain values; what is not here keeps its default."""
    return {
        "bucket": BUCKET,
        "prefix": PREFIX,
        "execution_role_arn": ROLE_ARN,
        "flow_role_arn": ROLE_ARN,
        "airflow_conn_id": "airflow_api",
        "endpoint_name": ENDPOINT,
        "flow_definition": FLOW,
        "workteam_name": TEAM,
        "labels": list(labels),
        "holdout_version": HOLDOUT_VERSION,
        "serving": {
            "part_size": 50,
            "concurrency": 4,
            "poll_interval_seconds": POLL_SECONDS,
            "timeout_seconds": 900,
        },
        "review": {
            "limit": schedule.review_limit,
            # The Review Desk here has no quota.
            "loops_per_second": 100,
            "poll_interval_seconds": POLL_SECONDS,
            "timeout_seconds": schedule.review_timeout_seconds,
        },
        "training": {
            "poll_interval_seconds": POLL_SECONDS,
            "max_runtime_seconds": 900,
            "min_new_answers": schedule.min_new_answers,
            "replay_ratio": schedule.replay_ratio,
            "control_arm": True,
            "hyperparameters": {"epochs": schedule.incremental_epochs, "learning_rate": 0.0015},
        },
        "bootstrap": {
            "hyperparameters": {
                "base_network": "slim-ssd",
                "image_shape": schedule.image_shape,
                "epochs": schedule.bootstrap_epochs,
                "learning_rate": 0.003,
                "mini_batch_size": mini_batch_size,
                "optimizer": "adam",
            }
        },
        "evaluation": {"poll_interval_seconds": POLL_SECONDS, "timeout_seconds": 3600},
    }


def _toml(values: dict[str, Any]) -> str:
    """Tables of tables of strings, numbers, booleans and lists: JSON's forms of these are TOML's."""
    plain = {name: value for name, value in values.items() if not isinstance(value, dict)}
    lines = [f"{name} = {_value(value)}" for name, value in plain.items()]
    for name, table in values.items():
        if isinstance(table, dict):
            lines += _table(name, table)
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    """A value as TOML, which has neither JSON's surrogate pairs for letters beyond U+FFFF nor a plain DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _table(name: str, table: dict[str, Any]) -> list[str]:
    lines = ["", f"[{name}]"]
    lines += [f"{key} = {_value(value)}" for key, value in table.items() if not isinstance(value, dict)]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _table(f"{name}.{key}", value)
    return lines
