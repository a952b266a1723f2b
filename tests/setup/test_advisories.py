"""What `make check` says of known weaknesses and of licenses."""

from __future__ import annotations

import json
import subprocess
from email.message import Message

import pytest

from include.setup import advisories, licenses

LOCK = advisories.LOCKS[0]
WEAK = {"id": "PYSEC-1", "fix_versions": ["2.0"], "aliases": [], "description": "..."}
CLEAN = {"dependencies": [{"name": "sound", "version": "1.0", "vulns": []}], "fixes": []}
FOUND = {"dependencies": [{"name": "weak", "version": "1.9", "vulns": [WEAK]}], "fixes": []}
UNREACHABLE = "requests.exceptions.ConnectionError: HTTPSConnectionPool(...): Max retries exceeded"


@pytest.fixture
def pip_audit(monkeypatch: pytest.MonkeyPatch):
    """Lets pip-audit say these about each lock file."""

    def says(*answers: tuple[str, str]) -> None:
        left = list(answers)

        def run(command, **_options):
            assert command[1:3] == ["-m", "pip_audit"]
            out, err = left.pop(0)
            return subprocess.CompletedProcess(command, 1, out, err)

        monkeypatch.setattr(advisories.subprocess, "run", run)

    return says


def test_an_advisory_about_the_desk_or_airflow_is_an_error(pip_audit, capsys):
    pip_audit((json.dumps(CLEAN), ""), (json.dumps(FOUND), ""), (json.dumps(CLEAN), ""))
    assert advisories.main() == 1
    assert "weak 1.9 has PYSEC-1, fixed in 2.0: raise the package" in capsys.readouterr().out


def test_one_about_the_detector_is_told(pip_audit, capsys):
    pip_audit((json.dumps(CLEAN), ""), (json.dumps(CLEAN), ""), (json.dumps(FOUND), ""))
    assert advisories.main() == 0
    assert "weak 1.9 has PYSEC-1, fixed in 2.0; in the detector's environment" in capsys.readouterr().out


def test_an_accepted_one_is_none(pip_audit, capsys, monkeypatch):
    monkeypatch.setitem(advisories.ACCEPTED, "PYSEC-1", "the part is not used")
    pip_audit(*[(json.dumps(FOUND), "")] * 3)
    assert advisories.main() == 0
    assert "none about the locked packages" in capsys.readouterr().out


def test_without_the_source_a_sentence_says_so(pip_audit, capsys):
    pip_audit(("", UNREACHABLE))
    assert advisories.main() == 0
    assert "cannot be reached from here, so the packages were not checked" in capsys.readouterr().out


def test_another_failure_is_not_taken_for_a_missing_network(pip_audit):
    pip_audit(("", "No module named pip_audit"))
    with pytest.raises(RuntimeError, match="No module named pip_audit"):
        advisories.audit(LOCK)


def package(**fields: str) -> Message:
    message = Message()
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"License_Expression": "MIT", "License": "x"}, "MIT"),
        ({"Classifier": "License :: OSI Approved :: BSD License"}, "BSD License"),
        ({"License": "Apache 2.0\n\nThe whole text"}, "Apache 2.0"),
        ({"Name": "mute"}, licenses.UNKNOWN),
    ],
)
def test_a_license_is_read_wherever_it_is_told(fields, said):
    assert licenses.license_of(package(**fields)) == said


def test_licenses_that_may_bind_are_named():
    given = {
        "a 1": "GPL-3.0",
        "b 1": "MIT OR GPL-2.0",
        "c 1": "LGPL-3.0-only",
        "d 1": licenses.UNKNOWN,
        "e 1": "AGPL-3.0",
        "f 1": "GNU Lesser General Public License v3 (LGPLv3)",
        "g 1": "MIT",
    }
    assert [line.partition(" ")[0] for line in licenses.to_look_at(given)] == ["a", "d", "e"]


def test_the_report_has_every_package(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(licenses, "REPORT", tmp_path / "build/licenses.txt")
    assert licenses.main() == 0
    lines = (tmp_path / "build/licenses.txt").read_text().splitlines()
    assert len(lines) == len(licenses.installed())
    assert any(line.startswith("starlette ") for line in lines)
    assert f"{len(lines)} packages" in capsys.readouterr().out
