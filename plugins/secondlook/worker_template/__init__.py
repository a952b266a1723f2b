"""The worker template that reviewers see, on Amazon A2I and on the Review Desk alike."""

from __future__ import annotations

from pathlib import Path

from secondlook.failures.exceptions import SettingsError

WORKER_TEMPLATE = Path(__file__).with_name("bounding_box.liquid.html")


def read_template(path: str = "") -> str:
    """Return a worker template: the project's own, or the file that the setting names.

    Parameters
    ----------
    path
        ``review.worker_template``; empty: the project's own.

    Raises
    ------
    SettingsError
        The file cannot be read.
    """
    file = Path(path) if path else WORKER_TEMPLATE
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The worker template {file} cannot be read ({error}): restore it, or correct the setting "
            "review.worker_template."
        ) from None
