"""A server and all its processes: what they take, and how to stop them for a while."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Tree:
    """A process and its descendants, by what /proc says.

    Args:
        command: What to start.
        environment: More variables.
        log: Where its output goes.
        folder: Where it runs; here if not given.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        folder: Path | None = None,
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as output:
            self.root = subprocess.Popen(
                command,
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self.log = log
        self.began = time.monotonic()

    @property
    def pids(self) -> list[int]:
        """The process, its descendants, and what else is of their session."""
        parents = dict(_parents())
        mine = {self.root.pid}
        while more := {
            pid
            for pid, (parent, session) in parents.items()
            if pid not in mine and (parent in mine or session == self.root.pid)
        }:
            mine |= more
        return sorted(mine)

    def cpu(self) -> float:
        """Seconds of processor time so far, of the living and of those that were waited for."""
        total = 0
        for pid in self.pids:
            with suppress(OSError, IndexError):
                # The command's name may hold spaces and parentheses.
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += sum(int(field) for field in fields[11:15])
        return total * _TICK_S

    def memory(self) -> int:
        """Bytes in memory; what several processes share counts once (proportional set size)."""
        total = 0
        for pid in self.pids:
            with suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        return total

    def pause(self) -> None:
        """Give the cores to others."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._signal(signal.SIGCONT)

    def stop(self, patience: float = 15) -> int | None:
        """Ask it to end, then make it; return the exit code, None if it had to be killed."""
        self.resume()
        everybody = self.pids
        self.root.terminate()
        code: int | None = None
        with suppress(subprocess.TimeoutExpired):
            code = self.root.wait(patience)
        for pid in everybody:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.root.wait()
        return code

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _parents() -> Iterator[tuple[int, tuple[int, int]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                yield int(entry.name), (int(fields[1]), int(fields[3]))
