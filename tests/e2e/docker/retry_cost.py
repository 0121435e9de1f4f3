"""Measure what it costs the proxy to keep bodies for a second try, by how many MiB it keeps.

    python -m tests.e2e.docker.retry_cost 2 8 32

builds the images if need be, and sends predictions one after another through the proxy.
"""

import ssl
import sys
from pathlib import Path

import cv2

from app.imaging import phantom
from tests.e2e.docker.load import Load
from tests.e2e.docker.project import Project, inside, run

ROOT = Path(__file__).parents[3]
REQUESTS = 50


def processor_ms(container: str) -> float:
    """Return the processor time that a container has used; control groups of either version."""
    script = "cat cpuacct/cpuacct.usage 2>/dev/null || cat cpu.stat"
    told = inside(container, "sh", "-c", f"cd /sys/fs/cgroup && {script}").split()
    return int(told[0]) / 1e6 if len(told) == 1 else int(told[told.index("usage_usec") + 1]) / 1e3


def measure(mebibytes: float, picture: bytes) -> float:
    """Return the processor time, in milliseconds, that a prediction costs the proxy."""
    settings = {
        "BUILD_CA_CERTIFICATES": run(ROOT / "deploy/host-certificates").stdout,
        "DEPLOY_RETRY_BYTES": str(round(mebibytes * 2**20)),
        "DEPLOY_HTTPS_PORT": "0",
        "POLYPSEG_PORT": "0",
    }
    project = Project(ROOT, "polypseg-e2e-cost", settings, ("tls",))
    try:
        project.up()
        (proxy,) = project.containers("proxy")
        trust = ssl.create_default_context(
            cadata=inside(proxy, "cat", "/run/proxy/certificate.pem")
        )
        with Load(project.address("proxy", 8443), picture, clients=1, tls=trust) as load:
            load.wait_for(5)
            began, sent = processor_ms(proxy), len(load.answers)
            load.wait_for(REQUESTS)
            return (processor_ms(proxy) - began) / (len(load.answers) - sent)
    finally:
        project.down()


def main(sizes: list[str]) -> None:
    """Print a line for every size."""
    pixels, _ = phantom(576, 720)
    picture = cv2.imencode(".jpg", pixels[:, :, ::-1])[1].tobytes()
    for size in sizes:
        cost = measure(float(size), picture)
        print(f"{size} MiB: {cost:.1f} ms of processor time a request")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
