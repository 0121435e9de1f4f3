"""Every promise about the container, asked from inside."""

import json
import os
from pathlib import Path

import httpx
import pytest

from app.keys import digest
from tests.e2e.docker.project import NewProject, docker, inside, inspect, python, run_once

pytestmark = pytest.mark.docker


def status(container: str) -> dict[str, str]:
    """Return what the kernel says of the server process."""
    program = (
        "import glob\n"
        "for path in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    if b'serve' in open(path, 'rb').read().split(b'\\0') and 'proc/1/' not in path:\n"
        "        print(open(path.replace('cmdline', 'status')).read())\n"
    )
    lines = python(container, program).splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def cgroup(container: str, *paths: str) -> str:
    """Return the first file there is; the versions of control groups name them differently."""
    tries = " || ".join(f"cat /sys/fs/cgroup/{path} 2>/dev/null" for path in paths)
    return inside(container, "sh", "-c", tries)


def test_serves_as_an_ordinary_user(container: str) -> None:
    said = status(container)
    assert said["Uid"].split() == ["10001"] * 4
    assert said["Gid"].split() == ["10001"] * 4


def test_has_no_capabilities_and_gets_none(container: str) -> None:
    said = status(container)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(said[kind], 16) == 0, kind
    assert said["NoNewPrivs"] == "1"
    assert said["Seccomp"] == "2"


def test_root_is_read_only(container: str) -> None:
    program = (
        "import os, errno\n"
        "for folder in ('/', '/srv', '/opt/polypseg', '/etc', '/var/cache/polypseg', '/usr'):\n"
        "    assert os.statvfs(folder).f_flag & os.ST_RDONLY, folder\n"
        "    try:\n"
        "        open(folder + '/planted', 'w')\n"
        "    except OSError as error:\n"
        "        assert error.errno == errno.EROFS, error\n"
        "    else:\n"
        "        raise AssertionError(folder)\n"
    )
    python(container, program)


def test_only_memory_can_be_written(container: str) -> None:
    program = (
        "import os\n"
        "flags = os.statvfs('/tmp').f_flag\n"
        "assert flags & os.ST_NOEXEC and flags & os.ST_NOSUID and flags & os.ST_NODEV\n"
        "open('/tmp/fine', 'w').close()\n"
        "writable = [line.split() for line in open('/proc/self/mounts')]\n"
        "print(sorted({m[2] for m in writable if 'rw' in m[3].split(',')}))\n"
    )
    kinds = set(json.loads(python(container, program).replace("'", '"')))
    assert kinds <= {"tmpfs", "proc", "devpts", "mqueue", "sysfs", "cgroup", "cgroup2"}
    mounted = {"C /run", "A /run/secrets", "A /run/secrets/api_keys"}
    assert set(docker("diff", container).splitlines()) <= mounted


def test_an_init_reaps_what_is_orphaned(container: str) -> None:
    assert inside(container, "cat", "/proc/1/comm") == "tini"
    program = (
        "import glob, os, time\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(0.2)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "time.sleep(1)\n"
        "texts = [open(path).read() for path in glob.glob('/proc/[0-9]*/stat')]\n"
        "states = [text.rpartition(')')[2].split()[0] for text in texts]\n"
        "assert 'Z' not in states, states\n"
    )
    python(container, program)


def test_memory_is_limited_and_never_swapped(container: str) -> None:
    limit = cgroup(container, "memory.max", "memory/memory.limit_in_bytes")
    assert limit == str(3 * 2**30)
    swap = cgroup(container, "memory.swap.max", "memory/memory.memsw.limit_in_bytes")
    # Version 2 counts swap alone, version 1 together with memory, and neither without accounting.
    assert swap in ("0", str(3 * 2**30), "")


def test_processor_and_processes_are_limited(container: str) -> None:
    quota = cgroup(container, "cpu.max", "cpu/cpu.cfs_quota_us").split()[0]
    assert quota == "200000"
    assert cgroup(container, "pids.max", "pids/pids.max") == "512"


def test_the_service_counts_the_cores_that_its_quota_leaves(cpu_image: str) -> None:
    program = "from app.inference.cores import available_cores; print(available_cores())"
    options = ("--cpus", "1", "--entrypoint", "python3")
    assert run_once(cpu_image, "-c", program, options=options) == "1"


def test_leaves_no_core_dump(container: str) -> None:
    limits = inside(container, "cat", "/proc/1/limits")
    (line,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert line.split()[4:6] == ["0", "0"]


def test_is_published_to_this_machine_alone(container: str) -> None:
    bindings = inspect(container)["NetworkSettings"]["Ports"]["8000/tcp"]
    assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}


def test_starts_again_by_itself_and_has_time_to_stop(container: str) -> None:
    told = inspect(container)
    assert told["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert told["Config"]["StopTimeout"] == 45
    assert told["HostConfig"]["LogConfig"]["Config"] == {"max-file": "5", "max-size": "10m"}


def test_health_check_imports_next_to_nothing(container: str) -> None:
    command = inspect(container)["Config"]["Healthcheck"]["Test"][1:]
    words = [*command[:-1], "-X", "importtime", command[-1]]
    imported = docker("exec", container, "sh", "-c", f"{' '.join(words)} 2>&1 >/dev/null")
    modules = {line.rpartition("|")[2].strip() for line in imported.splitlines()}
    assert "socket" in modules
    assert not modules & {"numpy", "onnxruntime", "tensorflow", "http.client", "asyncio", "site"}


def test_health_check_fails_where_nothing_answers(container: str) -> None:
    script = "POLYPSEG_PORT=9 python3 -I -S /opt/healthcheck.py; echo $?"
    *line, code = inside(container, "sh", "-c", script).splitlines()
    assert line == ["no answer: [Errno 111] Connection refused"]
    assert code == "1"


def test_api_keys_come_as_a_secret(projects: NewProject, tmp_path: Path) -> None:
    """Without a key nobody may ask, and the digests are in no environment."""
    key = os.urandom(8).hex()
    keys = tmp_path / "keys"
    keys.write_text(f"# one\n{digest(key)}\n")
    keys.chmod(0o444)
    guarded = projects("keys", DEPLOY_API_KEYS=str(keys))
    guarded.up()
    url = f"http://{guarded.address()}/model"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert digest(key) not in json.dumps(inspect(guarded.containers()[0]))
