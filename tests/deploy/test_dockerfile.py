"""What the Dockerfile promises that no engine is needed to check."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text()
FILES = [ROOT / "Dockerfile", *(ROOT / "deploy").glob("*/Dockerfile")]
IMAGES = ("cpu", "cpu-tensorflow", "gpu", "train")


def stages() -> dict[str, tuple[str, str]]:
    """Return, by name, what each stage is made from and its text."""
    parts = re.split(r"^FROM ", TEXT, flags=re.MULTILINE)[1:]
    found = {}
    for part in parts:
        head, _, body = part.partition("\n")
        base, _, name = head.partition(" AS ")
        found[name] = (base, body)
    return found


def test_needs_no_buildkit() -> None:
    instructions = re.sub(r"^#.*$", "", TEXT, flags=re.MULTILINE)
    assert not re.search(r"^#\s*(syntax|check|escape)\s*=", TEXT, re.MULTILINE)
    assert not re.search(r"--(mount|network|security|chmod|link|parents|exclude)\b", instructions)
    assert "<<" not in instructions


def test_cpu_is_what_is_built_without_a_target() -> None:
    assert list(stages().items())[-1] == ("", ("cpu", ""))


@pytest.mark.parametrize("image", IMAGES)
def test_what_the_host_needs_stays_out_of_the_images(image: str) -> None:
    """An image has the layers of its own stage and of those that it is made from, no others.

    One of them is a whole other stage in one layer.
    """
    name, arguments = image, []
    while name in stages():
        name, body = stages()[name]
        arguments += re.findall(r"^ARG (\w+)", body, re.MULTILINE)
        if name == "scratch":
            (name,) = re.findall(r"^COPY --from=(\w+) / /$", body, re.MULTILINE)
    assert set(arguments) <= {"VERSION", "REVISION", "MODEL_SHA256"}
    assert name == "${BASE}"


def test_every_image_has_the_same_base() -> None:
    bases = {re.findall(r"^ARG BASE=(.*)$", file.read_text(), re.MULTILINE)[0] for file in FILES}
    assert len(FILES) == 3
    assert bases == {"debian:trixie-slim"}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_mirror_that_does_not_answer_ends_the_build(file: Path) -> None:
    """Without the option an image would be built from what is there, without Debian's fixes."""
    updates = re.findall(r"apt-get update(.*) \\$", file.read_text(), re.MULTILINE)
    assert set(updates) == {" -o APT::Update::Error-Mode=any"}


def test_packages_are_installed_by_hash() -> None:
    installs = re.findall(r"^RUN pip install (.*)$", TEXT, re.MULTILINE)
    assert len(installs) == 5
    for line in installs:
        pinned = "--require-hashes --no-deps --only-binary :all:" in line
        assert pinned or "--no-deps --no-index" in line


def test_the_proxy_has_more_time_to_start_than_the_slowest_replica() -> None:
    """It is not healthy before a replica is."""
    proxy = (ROOT / "deploy/proxy/Dockerfile").read_text()
    (time,) = re.findall(r"--start-period=(\d+)s", proxy)
    replicas = re.findall(r"--start-period=(\d+)s", TEXT)
    assert len(replicas) == 3
    assert int(time) > max(map(int, replicas))
