"""``python -m include.setup.advisories``: known weaknesses of the locked packages, by pip-audit.

An advisory about Airflow's environment, or the Review Desk's, ends with an error: raise the package, or
accept the advisory here with the reason. The detector's packages are those that MXNet 1.9.1 takes, so
advisories about them are told and no error. Where the source of advisories cannot be reached, a sentence says
so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCKS = (Path("requirements.lock"), Path("include/review_desk/requirements.txt"))
DETECTOR = Path("include/detector/requirements.txt")
ACCEPTED: dict[str, str] = {}
"""Advisory -> why it does not concern this project."""

_NETWORK = ("ConnectionError", "Timeout", "ProxyError", "SSLError", "could not connect", "ServiceError")


class SourceUnreachable(Exception):
    """The source of advisories does not answer."""


@dataclass(frozen=True)
class Advisory:
    """One weakness of one package."""

    package: str
    version: str
    id: str
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fixed = f"fixed in {' or '.join(self.fixed_in)}" if self.fixed_in else "without a fixed version"
        return f"{self.package} {self.version} has {self.id}, {fixed}"


def audit(lock: Path) -> list[Advisory]:
    """Ask pip-audit about every pin of a lock file.

    Raises
    ------
    SourceUnreachable
    RuntimeError
        pip-audit fails for another reason.
    """
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes"]
    # The pins are all there, so nothing has to be resolved. This source is asked about versions only.
    command += ["--disable-pip", "--vulnerability-service", "osv", "--timeout", "15"]
    command += ["--progress-spinner", "off", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        if any(word in said for word in _NETWORK):
            raise SourceUnreachable(said) from None
        raise RuntimeError(f"pip-audit failed with the exit code {done.returncode}: {said}") from None
    return _advisories(report)


def _advisories(report: Any) -> list[Advisory]:
    return [
        Advisory(package["name"], package["version"], found["id"], tuple(found["fix_versions"]))
        for package in report["dependencies"]
        for found in package.get("vulns", ())
        if found["id"] not in ACCEPTED
    ]


def main() -> int:
    """Print what is known; 1 when it is about Airflow's environment or the Desk's."""
    try:
        errors = {str(advisory) for lock in LOCKS for advisory in audit(lock)}
        told = {str(advisory) for advisory in audit(DETECTOR)}
    except SourceUnreachable:
        print("Advisories: the source cannot be reached from here, so the packages were not checked for any.")
        return 0
    for sentence in sorted(errors):
        print(f"Advisories: {sentence}: raise the package in the lock files, or accept it in {__file__}.")
    for sentence in sorted(told):
        print(f"Advisories: {sentence}; in the detector's environment, whose versions MXNet 1.9.1 binds.")
    if not errors and not told:
        print("Advisories: none about the locked packages.")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
