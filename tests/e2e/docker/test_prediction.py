"""The mask that comes over HTTP is the one that the engine in the same image computes."""

import io
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.imaging import phantom
from tests.e2e.docker.project import NewProject, Note, Project, memory, run_once

pytestmark = pytest.mark.docker

SIZES = [(576, 720), (1080, 1920), (97, 131), (288, 384)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated frames of several sizes, in a folder that any user may read."""
    folder = tmp_path_factory.mktemp("pictures")
    folder.chmod(0o755)
    for seed, (height, width) in enumerate(SIZES):
        pixels, _ = phantom(height, width, seed=seed)
        kind = ".jpg" if seed % 2 else ".png"
        cv2.imwrite(str(folder / f"{height}x{width}{kind}"), pixels[:, :, ::-1])
    return folder


def masks_offline(image: str, pictures: Path, out: Path, *options: str) -> None:
    """Let the command line of an image compute the masks, without a server."""
    out.chmod(0o777)
    names = [f"/in/{path.name}" for path in sorted(pictures.iterdir())]
    volumes = ("--volume", f"{pictures}:/in:ro", "--volume", f"{out}:/out", "--network", "none")
    run_once(image, "predict", *names, "--out", "/out", *options, options=volumes)


def ask(address: str, picture: Path) -> NDArray[np.uint8]:
    """Return the mask that the service gives."""
    answer = httpx.post(
        f"http://{address}/predict",
        content=picture.read_bytes(),
        headers={"Content-Type": "application/octet-stream"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def engine_of(address: str) -> tuple[str, str]:
    """Return which engine the service says it has, and where it runs."""
    report = httpx.get(f"http://{address}/health").json()
    return report["engine"], report["device"]


def compare(address: str, pictures: Path, out: Path) -> None:
    """Compare the masks of the service with those in a folder."""
    for picture in sorted(pictures.iterdir()):
        (made,) = out.glob(f"{picture.stem}*")
        offline = np.asarray(Image.open(made))
        mask = ask(address, picture)
        assert mask.shape == np.asarray(Image.open(picture)).shape[:2]
        assert set(np.unique(mask)) == {0, 255}, picture.name
        assert np.array_equal(mask, offline), picture.name


def test_onnx_runtime(service: Project, cpu_image: str, pictures: Path, tmp_path: Path) -> None:
    assert engine_of(service.address()) == ("onnxruntime", "cpu")
    masks_offline(cpu_image, pictures, tmp_path)
    compare(service.address(), pictures, tmp_path)


def test_tensorflow(
    projects: NewProject, cpu_tensorflow_image: str, pictures: Path, tmp_path: Path, note: Note
) -> None:
    """The SavedModel, in the image that is built for it."""
    project = projects("tensorflow", DEPLOY_TARGET="cpu-tensorflow", DEPLOY_MEMORY="4g")
    note("cpu-tensorflow, from up to healthy", f"{project.up():.1f} s")
    assert engine_of(project.address()) == ("tensorflow", "cpu")
    masks_offline(cpu_tensorflow_image, pictures, tmp_path)
    compare(project.address(), pictures, tmp_path)
    (container,) = project.containers()
    note("cpu-tensorflow, memory after a few predictions", memory(container))
