"""What the peers are told, without starting one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks import servers
from benchmarks.environments import LOCKS
from benchmarks.load import PATIENCE_S
from benchmarks.servers import PEERS, TUTORIAL_PEERS, Entry, Server, started


class Told(Exception):  # noqa: N818
    """A command, and the variables that it was given."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], *_: object) -> None:
        self.command, self.variables = command, variables


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_peers_are_told_how_long_callers_wait(
    peer: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(*arguments: object) -> None:
        raise Told(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(servers, "environment", lambda _: tmp_path)
    monkeypatch.setattr(servers, "Tree", tell)
    with pytest.raises(Told) as told, started(Entry(peer, tmp_path, "a"), tmp_path):
        pass
    assert float(told.value.variables["BENCH_PATIENCE_S"]) == PATIENCE_S
    limits = [word for word in told.value.command if word.startswith("--timeout")]
    assert limits == (["--timeout=2000"] if peer.name == "mosec" else [])


def test_round_b_is_of_those_that_have_tensorflow() -> None:
    holding = [
        peer.name
        for peer in PEERS
        if "\ntensorflow==" in (LOCKS / f"{peer.environment}.txt").read_text()
    ]
    assert [peer.name for peer in TUTORIAL_PEERS] == holding == ["FastAPI", "mosec"]
