"""What cannot work is told in one line, before anything listens."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest

from app.inference import hash_files
from app.inference.bundle import Manifest
from tests.bundles import tiny_onnx, write_tiny_bundle
from tests.service.conftest import COMMAND, HELD, ROOT, Start


def test_port_that_is_taken(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = start(port=port)
        assert service.wait() == 1
    assert service.errors == (
        f"polypseg: Cannot listen on 127.0.0.1 port {port}: Address already in use; "
        "choose another port with --port or POLYPSEG_PORT.\n"
    )
    assert not service.lines


def test_host_that_does_not_exist(start: Start) -> None:
    service = start(host="no.such.host.invalid")
    assert service.wait() == 1
    assert service.errors.startswith("polypseg: POLYPSEG_HOST has value 'no.such.host.invalid': ")
    assert service.errors.count("\n") == 1


def test_missing_bundle(start: Start, tmp_path: Path) -> None:
    service = start(model=tmp_path / "nothing")
    assert service.wait() == 1
    assert service.errors == (
        f"polypseg: Bundle folder '{tmp_path}/nothing' does not exist; "
        "name another with --model or POLYPSEG_MODEL.\n"
    )
    assert not service.lines


def test_damaged_bundle(start: Start, bundle_root: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle_root, tmp_path / "damaged")
    with (tmp_path / "damaged" / "1" / "model.onnx").open("ab") as model:
        model.write(b"x")
    service = start(model=tmp_path / "damaged")
    assert service.wait() == 1
    assert service.errors.count("\n") == 1
    assert "'model.onnx' has SHA-256" in service.errors
    assert not service.lines


def test_version_that_is_not_there(start: Start) -> None:
    service = start(model_version=7)
    assert service.wait() == 1
    assert "has no version '7' (found: 1)" in service.errors


def test_model_that_does_not_fit_its_manifest(start: Start, tmp_path: Path) -> None:
    path = write_tiny_bundle(tmp_path / "odd")
    onnx.save(tiny_onnx(32, 48), path / "model.onnx")
    manifest = Manifest.model_validate_json((path / "manifest.json").read_bytes())
    manifest = manifest.model_copy(update={"files": hash_files(path)})
    (path / "manifest.json").write_text(manifest.model_dump_json())
    service = start(model=tmp_path / "odd")
    assert service.wait() == 1
    assert service.errors.count("\n") == 1
    assert "Bundle '" in service.errors


@pytest.mark.parametrize(
    "arguments", [["--device", "gpu"], ["--engine", "onnxruntime", "--device", "gpu"]]
)
def test_no_gpu(arguments: list[str], bundle_root: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--model", bundle_root, "--port", "0", *arguments],
        cwd=ROOT,
        env={"CUDA_VISIBLE_DEVICES": "", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "gpu" in done.stderr


def test_wrong_settings(start: Start) -> None:
    service = start(deadline_ms="soon", max_pixels=0)
    assert service.wait() == 1
    assert [line.split(" has ")[0] for line in service.errors.splitlines()] == [
        "polypseg: POLYPSEG_MAX_PIXELS",
        "polypseg: POLYPSEG_DEADLINE_MS",
    ]


def test_other_versions_of_python() -> None:
    for version in ((3, 10, 9), (3, 14, 0)):
        code = f"import sys; sys.version_info = {version}; import app.cli"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode == 1
        assert done.stderr == (
            f"polypseg needs Python 3.11, 3.12 or 3.13; this is {version[0]}.{version[1]}. "
            "Make an environment with one of them: python3.12 -m venv .venv\n"
        )


def test_listens_before_the_model_is_loaded(start: Start) -> None:
    service = start(HELD, holds=("loading",)).wait_listening()
    assert service.get("/health/live").status_code == 200
    answer = service.get("/health")
    assert answer.status_code == 503
    assert answer.json()["state"] == "starting"
    assert service.post("/predict", content=b"x").json()["code"] == "not-ready"
    service.release("loading")
    service.wait_ready()


def test_the_log_says_when_it_is_ready_and_with_what(start: Start) -> None:
    service = start(HELD, holds=("loading",)).wait_listening()
    assert [line["event"] for line in service.lines] == ["listening"]
    service.release("loading")
    line = service.wait_log(event="ready")
    health = service.get("/health").json()
    assert line["reason"] == health["reason"]
    assert [line[name] for name in ("engine", "device", "batch_limit")] == ["onnxruntime", "cpu", 2]
    assert 0 < line["seconds"] < time.monotonic() - service.began


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_while_starting(start: Start, number: signal.Signals) -> None:
    service = start(HELD, holds=("loading",)).wait_listening()
    service.kill(number)
    assert service.wait() == 0
    assert service.errors == ""


def test_light_and_fast_parts_are_used(start: Start) -> None:
    service = start().wait_ready()
    maps = Path(f"/proc/{service.process.pid}/maps").read_text()
    assert "uvloop" in maps
    assert "tensorflow" not in maps


def test_a_misspelt_setting_is_reported_without_its_value(start: Start) -> None:
    service = start(api_key="secret").wait_ready()

    (line,) = [line for line in service.lines if line["event"] == "unknown setting"]

    assert line["level"] == "warning"
    assert (line["variable"], line["similar"]) == ("POLYPSEG_API_KEY", "POLYPSEG_API_KEYS")
    assert "secret" not in str(service.lines)
