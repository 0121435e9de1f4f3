"""Stopping loses nothing, a crash heals, a damaged model is one line."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.docker.load import Load
from tests.e2e.docker.project import (
    NewProject,
    Project,
    docker,
    inspect,
    project_logs,
    python,
    run,
    wait_until,
)

pytestmark = pytest.mark.docker


def test_stopping_under_load_loses_nothing(projects: NewProject, picture: bytes) -> None:
    project = projects("stop")
    project.up()
    (container,) = project.containers()
    with Load(project.address(), picture, clients=6) as load:
        load.wait_for(20)
        docker("stop", container)
    assert inspect(container)["State"]["ExitCode"] == 0
    lines = project_logs(container)
    (stopping,) = (n for n, line in enumerate(lines) if line["event"] == "stopping")
    assert lines[-1]["event"] == "stopped"
    assert lines[-1]["unanswered"] == 0
    # Every prediction that the service made has come to the one who asked for it, those too that
    # were asked for after the order to stop.
    made = {
        line["request_id"]
        for line in lines
        if line.get("route") == "/predict" and line["status"] == 200
    }
    assert {answer.request_id for answer in load.answers if answer.status == 200} == made
    assert made & {line.get("request_id") for line in lines[stopping:]}
    assert set(load.statuses) <= {200, 503, None}


def test_a_killed_server_comes_back(service: Project, container: str, picture: bytes) -> None:
    program = (
        "import glob, os, signal\n"
        "for path in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    pid = int(path.split('/')[2])\n"
        "    if b'serve' in open(path, 'rb').read().split(b'\\0') and pid != 1:\n"
        "        os.kill(pid, signal.SIGKILL)\n"
        "        print(pid)\n"
    )
    assert python(container, program)
    wait_until(lambda: inspect(container)["RestartCount"] == 1)
    wait_until(lambda: inspect(container)["State"]["Health"]["Status"] == "healthy")
    with Load(service.address(), picture, clients=1) as load:
        load.wait_for(3)
    assert set(load.statuses) == {200}


def test_a_damaged_model_is_one_line(checkout: Path, cpu_image: str, tmp_path: Path) -> None:
    shutil.copytree(checkout / "models", tmp_path / "models")
    tmp_path.chmod(0o755)
    (model,) = sorted((tmp_path / "models" / "polyp-unet").glob("*/model.onnx"))[-1:]
    damaged = bytearray(model.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    model.write_bytes(damaged)
    done = run(
        *("docker", "run", "--rm", "--volume", f"{tmp_path}/models:/srv/models:ro", cpu_image),
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("polypseg: ")
    assert "model.onnx" in line


def test_a_wanted_gpu_that_is_not_there_is_one_line(cpu_image: str) -> None:
    done = run(*("docker", "run", "--rm", "--env", "POLYPSEG_DEVICE=gpu", cpu_image), check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("polypseg: ")
