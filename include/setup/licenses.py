"""``python -m include.setup.licenses``: the license of every package that is installed beside this one.

Writes build/licenses.txt, a line for each package. A package that says nothing of its license, or whose
license may bind what is built with it, is named: look at it before you distribute an image.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path

REPORT = Path("build/licenses.txt")
UNKNOWN = "unknown"
# The GNU General Public License and what is like it; the Lesser one leaves users of a library alone.
_BINDING = re.compile(
    r"(?<!L)(?<!Lesser )\b(?:A?GPL|GNU (?:Affero )?General Public|SSPL|BUSL)", re.IGNORECASE
)
_SHORT = 60


def license_of(package: metadata.PackageMetadata) -> str:
    """Return what a package says of its license, in one line: expression, classifiers or the field."""
    if "License-Expression" in package:
        return package["License-Expression"]
    classified = [
        line.rpartition(" :: ")[2]
        for line in package.get_all("Classifier") or []
        if line.startswith("License ::") and not line.endswith("OSI Approved")
    ]
    # Some packages put the whole text there.
    field = package["License"] or ""
    field = field.strip().partition("\n")[0][:_SHORT]
    return " and ".join(classified) or field or UNKNOWN


def installed() -> dict[str, str]:
    """Return the license of each installed package by its name and version."""
    return {
        f"{found.metadata['Name']} {found.version}": license_of(found.metadata)
        for found in metadata.distributions()
    }


def to_look_at(licenses: dict[str, str]) -> list[str]:
    """Return the packages that say nothing of their license, or one that may bind what is built with them."""
    return sorted(
        f"{package} ({said})"
        for package, said in licenses.items()
        if said == UNKNOWN or (_BINDING.search(said) and not _has_choice(said))
    )


def _has_choice(said: str) -> bool:
    """Whether one of several licenses may be chosen, and it does not bind."""
    choices = re.split(r"\s+or\s+", said, flags=re.IGNORECASE)
    return len(choices) > 1 and any(not _BINDING.search(choice) for choice in choices)


def main() -> int:
    """Write the report."""
    licenses = installed()
    REPORT.parent.mkdir(exist_ok=True)
    lines = [f"{package}: {licenses[package]}\n" for package in sorted(licenses, key=str.lower)]
    REPORT.write_text("".join(lines), encoding="utf-8")
    kinds = Counter(licenses.values()).most_common(5)
    most = ", ".join(kind for kind, _ in kinds)
    print(f"Licenses: {len(licenses)} packages, most of them {most}; all in {REPORT}.")
    for package in to_look_at(licenses):
        print(f"Licenses: look at {package} before you distribute an image with it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
