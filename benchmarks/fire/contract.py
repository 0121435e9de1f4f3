"""Schemathesis against the service's own description: no 500, nothing that is not documented.

Usage: python -m benchmarks.fire.contract [--examples 100] [--seed 1]
"""

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.environments import environment
from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import serve

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")

_CASES = re.compile(r"(\d+) generated")


def check(port: int, examples: int, seed: int) -> subprocess.CompletedProcess[str]:
    """Run Schemathesis, with all of its checks, in its own environment."""
    with TemporaryDirectory() as folder:  # where it keeps what it found
        return subprocess.run(
            [
                *(environment("schemathesis") / "st", "--config-file", CONFIGURATION, "run"),
                *("--checks", "all", "--max-examples", str(examples), "--seed", str(seed)),
                *("--continue-on-failure", "--request-timeout", "20", "--no-color"),
                f"http://127.0.0.1:{port}/openapi.json",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )


def main() -> None:
    """Measure."""
    given = options(__doc__, examples=100, seed=1)
    with serve(given.bundle) as service:
        done = check(service.port, given.examples, given.seed)
        alive = service.get("/health/ready").status_code
        failed = [line for line in service.lines if line.get("status") == 500]
    if done.returncode:
        print(done.stdout)
    cases = _CASES.search(done.stdout)
    conclude(
        [
            Figure("requests", int(cases[1]) if cases else 0),
            Figure("exit code of Schemathesis", done.returncode, 0),
            Figure("answers with 500", len(failed), 0),
            Figure("status of /health/ready afterwards", alive, 200),
        ]
    )


if __name__ == "__main__":
    main()
