"""The console script: what works, and what is one line when it does not."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from app import __version__, cli
from tests.bundles import write_tiny_bundle
from tests.service.conftest import ROOT

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the script in this process; return exit code, output and errors."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["polypseg", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        output, errors = capfd.readouterr()
        code = end.value.code
        return (code if isinstance(code, int) else int(bool(code))), output, errors

    return call


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Replace the installed entry points."""

    def replace(value: str) -> None:
        entry = EntryPoint("more", value, cli.COMMANDS)
        monkeypatch.setattr(cli, "entry_points", lambda group: [entry] if group else [])

    return replace


@pytest.fixture(scope="module")
def bundle_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(root)
    return root


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"polypseg {__version__}\n", "")


def test_help_lists_the_commands_of_all_packages(run: Run) -> None:
    code, output, _ = run("--help")
    assert code == 0
    for command in ("serve", "predict", "info", "prepare", "train", "evaluate", "export"):
        assert f" {command} " in output
    assert "Research use only" in output


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("serve", "curl -F file=@image.jpg http://127.0.0.1:8000/predict -o mask.png"),
        ("predict", "polypseg predict frames/*.jpg --out masks"),
        ("train", "polypseg train --recipe tutorial"),
    ],
)
def test_help_teaches_by_example(run: Run, command: str, words: str) -> None:
    code, output, _ = run(command, "--help")
    assert code == 0
    assert words in output


def test_unknown_command(run: Run) -> None:
    code, _, errors = run("serv")
    assert code == 2
    assert "serve" in errors


def test_missing_extra_is_one_line(run: Run, entries: Callable[[str], None]) -> None:
    entries("no_such_package.cli:cli")
    code, output, errors = run("train")
    assert (code, output) == (1, "")
    assert errors == (
        "polypseg: No module named 'no_such_package': run requirements/install dev in the "
        "checkout, which installs what this command needs.\n"
    )
    code, output, _ = run("--help")
    assert code == 0
    assert " serve " in output


def test_info(run: Run, bundle_root: Path) -> None:
    code, output, errors = run("info", "--model", bundle_root)
    assert (code, errors) == (0, "")
    assert "tiny/1" in output
    assert "onnxruntime on the processor" in " ".join(output.split())


def test_info_for_programs(run: Run, bundle_root: Path) -> None:
    code, output, _ = run("info", "--model", bundle_root, "--json", "--device", "cpu")
    assert code == 0
    document = json.loads(output)
    assert document["model"] == "tiny/1"
    assert (document["engine"], document["device"]) == ("onnxruntime", "cpu")
    assert document["polypseg"] == __version__
    assert document["notice"] == "Research use only. Not a medical device."


@pytest.mark.parametrize("command", [["info"], ["predict", "image.png", "--out", "masks"]])
def test_missing_bundle_is_one_line(run: Run, tmp_path: Path, command: list[str]) -> None:
    code, output, errors = run(*command, "--model", tmp_path / "nothing")
    assert (code, output) == (1, "")
    assert errors.startswith(f"polypseg: Bundle folder '{tmp_path}/nothing' does not exist; ")
    assert errors.count("\n") == 1


def test_every_wrong_setting_is_a_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POLYPSEG_PORT", "x")
    monkeypatch.setenv("POLYPSEG_LOG_LEVEL", "y")
    code, _, errors = run("info", "--model", tmp_path)
    assert code == 1
    assert [line.split(" has ")[0] for line in errors.splitlines()] == [
        "polypseg: POLYPSEG_PORT",
        "polypseg: POLYPSEG_LOG_LEVEL",
    ]


def test_unexpected_errors_are_not_hidden(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "cli", lambda **_: fail())
    with pytest.raises(ZeroDivisionError):
        run("info")


def test_module_serves_unless_told_otherwise(tmp_path: Path) -> None:
    for arguments, words in (
        (["info", "--help"], "Show the model"),
        ([], f"Bundle folder '{tmp_path}/nothing' does not exist"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            cwd=ROOT,
            env={"POLYPSEG_MODEL": str(tmp_path / "nothing"), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert words in done.stdout + done.stderr
