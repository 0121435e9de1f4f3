"""What the README says is true: its commands run against the model that ships."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.imaging import decode, decode_rle
from app.inference import load_bundle

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SHIPPED = ROOT / "models" / "polyp-unet"


def _commands() -> str:
    (block,) = re.findall(
        r"<!-- run by tests/service/test_readme.py -->\n```sh\n(.*?)```", README, re.S
    )
    return str(block)


def test_the_curl_lines_answer_with_the_size_of_the_image(
    start: Callable[..., Any], jpeg: bytes, tmp_path: Path
) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    service = start(model=SHIPPED).wait_ready()
    (tmp_path / "image.jpg").write_bytes(jpeg)
    script = (
        _commands()
        .replace("http://127.0.0.1:8000", service.url(""))
        .replace("curl ", "curl --silent --show-error --fail ")
    )

    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    mask = decode((tmp_path / "mask.png").read_bytes()).pixels[..., 0]
    assert mask.shape == (576, 720)
    answer = json.loads(done.stdout)
    np.testing.assert_array_equal(decode_rle(answer["mask"]["counts"], 576, 720) > 0, mask > 0)
    assert answer["model"]["name"] == "polyp-unet"
    assert decode((tmp_path / "overlay.png").read_bytes()).pixels.shape == (576, 720, 3)


def test_its_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()

    targets = set(re.findall(r"^make ([a-z-]+)", README, re.M))

    assert {"serve", "test"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_its_figures_are_those_of_the_model_that_ships() -> None:
    metrics = load_bundle(SHIPPED).manifest.metrics
    rows = re.findall(r"^\| `([\w/-]+)` \| ([\w' -]+) \| ([\d.]+) ", README, re.M)

    assert rows
    for protocol, name, value in rows:
        assert f"{metrics[protocol][name.replace(' ', '_')]:.4f}" == value
