"""What is made of the driver's answers."""

import ctypes

import pytest

from app.inference.devices import Gpu, NoGpu, find_gpu
from tests.inference.drivers import Driver, loader


@pytest.fixture(autouse=True)
def _nothing_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_first_gpu_is_described_and_the_library_closed() -> None:
    driver = Driver(gpus=2)
    assert find_gpu(loader(driver)) == Gpu("NVIDIA Phantom 100", "570.1")
    assert driver.open == 0


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        (Driver(init=9), "does not answer (nvmlInit gives 9)"),
        (Driver(gpus=0), "reports no GPU"),
        (Driver(count=3), "reports no GPU"),
        (Driver(handle=15), "cannot open the first GPU (code 15)"),
    ],
)
def test_driver_without_a_usable_gpu(driver: Driver, reason: str) -> None:
    with pytest.raises(NoGpu) as caught:
        find_gpu(loader(driver))
    assert reason in str(caught.value)
    assert driver.open == 0


def test_no_driver() -> None:
    def load(name: str) -> ctypes.CDLL:
        raise OSError(f"{name}: cannot open shared object file")

    with pytest.raises(NoGpu, match="No NVIDIA driver is installed"):
        find_gpu(load)


@pytest.mark.parametrize("hidden", ["", "-1", " -1,0", "NoDevFiles"])
def test_hidden_gpus_are_not_used(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    with pytest.raises(NoGpu, match="hides every GPU"):
        find_gpu(loader(Driver()))


@pytest.mark.parametrize("shown", ["0", "1,0", "GPU-8932f937"])
def test_shown_gpus_are_used(monkeypatch: pytest.MonkeyPatch, shown: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert find_gpu(loader(Driver())).name == "NVIDIA Phantom 100"
