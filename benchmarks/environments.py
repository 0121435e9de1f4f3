"""Virtual environments for what is measured beside the service; made once, pinned by hash.

Usage: python -m benchmarks.environments NAME...
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "benchmarks" / "requirements"
FOLDER = ROOT / "build" / "environments"


class EnvironmentFault(Exception):  # noqa: N818
    """An environment cannot be made; the message is one line."""


def environment(name: str) -> Path:
    """Return the `bin` folder of an environment that holds what its lock pins.

    Raises:
        EnvironmentFault: It cannot be made.
    """
    lock, folder = LOCKS / f"{name}.txt", FOLDER / name
    stamp = folder / "lock.txt"
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return folder / "bin"
    print(f"Making the environment of {name} (the first time takes a minute or two)")
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pinned = ["--no-deps", "--require-hashes", "-r", str(lock)]  # as in requirements/install
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin" / "python"), *pip, *pinned],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise EnvironmentFault(f"{name}: {reason[-1] if reason else done.returncode}")
    stamp.write_bytes(lock.read_bytes())
    return folder / "bin"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        environment(name)
