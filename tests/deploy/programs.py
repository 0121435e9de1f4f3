"""The project's scripts beside programs that are made up."""

import os
import subprocess
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"


def start(script: str, folder: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run a script of `deploy/` where these programs stand before all others.

    Args:
        script: Its name.
        folder: Takes the programs.
        programs: Text by name.
    """
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return subprocess.run(
        [DEPLOY / script],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
