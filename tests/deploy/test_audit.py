"""What becomes of the reports of pip-audit."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parents[2] / "deploy/audit.py"

FINE = {"name": "numpy", "version": "2.4.0", "vulns": []}
UNKNOWN = {"name": "rich", "skip_reason": "Dependency not found"}
HOLED = {
    "name": "pillow",
    "version": "13.0.0",
    "vulns": [
        {"id": "PYSEC-2026-1", "fix_versions": ["13.0.1", "14.0.0"]},
        {"id": "PYSEC-2026-2", "fix_versions": []},
    ],
}


def audit(folder: Path, output: str, errors: str = "") -> tuple[int, str, list[str]]:
    """Run the audit where `pip-audit` prints what it is given."""
    (folder / "output").write_text(output)
    (folder / "errors").write_text(errors)
    program = folder / "pip-audit"
    program.write_text(f"#!/bin/sh\ncat {folder}/output; cat {folder}/errors >&2; exit 1\n")
    program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, PROGRAM, "requirements/dev.txt"],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.splitlines()


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_no_vulnerability(tmp_path: Path) -> None:
    code, output, errors = audit(tmp_path, report(FINE, FINE))
    assert (code, errors) == (0, [])
    assert output == "2 packages, no known vulnerability\n"


def test_every_vulnerability_is_a_line(tmp_path: Path) -> None:
    code, _, errors = audit(tmp_path, report(FINE, HOLED))
    assert code == 1
    assert errors == [
        "audit: pillow 13.0.0 has PYSEC-2026-1, fixed in 13.0.1 or 14.0.0",
        "audit: pillow 13.0.0 has PYSEC-2026-2, not fixed yet",
    ]


def test_a_package_without_an_answer_is_no_pass(tmp_path: Path) -> None:
    code, _, errors = audit(tmp_path, report(FINE, UNKNOWN))
    assert code == 1
    assert errors == ["audit: rich is not audited: Dependency not found"]


def test_a_service_that_knows_nothing_is_one_line(tmp_path: Path) -> None:
    code, output, errors = audit(tmp_path, report(UNKNOWN, UNKNOWN, UNKNOWN))
    assert (code, output) == (1, "")
    assert errors == [
        "audit: nobody knows any of 3 packages: no vulnerability service answers here"
    ]


def test_a_service_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    code, output, errors = audit(tmp_path, "", "Traceback\nERROR: could not connect\n")
    assert (code, output) == (1, "")
    assert errors == ["audit: pip-audit gave no report: ERROR: could not connect"]
