"""Predictions: every format, every way to send an image, compared with independent readers."""

import io
import json

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from pycocotools import mask as coco

from app.api.schemas import NOTICE
from tests.api.conftest import HEIGHT, WIDTH, Client, Serving, encode
from tests.bundles import tiny_probability

# pycocotools' compiled part is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

STAGES = ["decode", "queue", "infer", "encode", "total"]


def read_picture(answer: httpx.Response) -> NDArray[np.uint8]:
    """Return the pixels of a PNG answer, as Pillow reads them."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "image/png"
    with Pillow.open(io.BytesIO(answer.content)) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def read_mask(document: dict[str, object]) -> NDArray[np.bool_]:
    """Return the mask of a JSON answer, as pycocotools reads it."""
    mask = document["mask"]
    assert isinstance(mask, dict)
    height, width = mask["size"]
    run_lengths = mask
    if mask["encoding"] == "coco_rle":
        run_lengths = coco.frPyObjects(mask, height, width)
    return np.asarray(coco.decode(run_lengths), bool)


async def test_mask_as_png(client: Client, png: bytes) -> None:
    answer = await client.post("/predict", content=png)
    mask = read_picture(answer)
    assert mask.shape == (HEIGHT, WIDTH)
    assert set(np.unique(mask)) == {0, 255}
    assert answer.headers["X-Polyp-Detected"] == "true"
    assert answer.headers["X-Mask-Area"] == str(np.count_nonzero(mask))
    assert answer.headers["X-Threshold"] == "0.5"


async def test_mask_is_that_of_the_model(client: Client) -> None:
    # One colour on each half: no resize can change what the model sees far from the border.
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, :32] = (200, 20, 20)
    expected = tiny_probability(halves) >= 0.5
    assert expected[:, :32].all()
    assert not expected[:, 32:].any()
    mask = read_picture(await client.post("/predict/png", content=encode(halves)))
    np.testing.assert_array_equal(mask > 0, expected)


@pytest.mark.parametrize("rle", ["list", "compressed"])
async def test_json_and_png_hold_the_same_mask(client: Client, png: bytes, rle: str) -> None:
    picture = read_picture(await client.post("/predict/png", content=png))
    answer = await client.post("/predict/json", content=png, params={"rle": rle})
    document = answer.json()
    np.testing.assert_array_equal(read_mask(document), picture > 0)
    encoding = {"list": "coco_rle", "compressed": "coco_rle_compressed"}[rle]
    assert document["mask"]["encoding"] == encoding
    assert document["mask"]["size"] == [HEIGHT, WIDTH]


async def test_json_document(client: Client, png: bytes) -> None:
    answer = await client.post(
        "/predict", content=png, headers={"Accept": "application/json", "X-Request-Id": "mine"}
    )
    assert answer.headers["Content-Type"] == "application/json"
    document = answer.json()
    mask = read_mask(document)
    timing = document.pop("timing_ms")
    assert list(timing) == STAGES
    assert sum(timing[stage] for stage in STAGES[:-1]) <= timing["total"] + 0.05
    regions, score = document.pop("regions"), document.pop("score")
    del document["mask"]
    assert document == {
        "request_id": "mine",
        "polyp_detected": True,
        "threshold": 0.5,
        "image": {"width": WIDTH, "height": HEIGHT, "exif_orientation": 1},
        "area_px": int(mask.sum()),
        "area_fraction": round(float(mask.mean()), 6),
        "model": {
            "name": "tiny",
            "version": "1",
            "sha256": client.context.bundle.sha256,
        },
        "notice": NOTICE,
    }
    assert sum(region["area_px"] for region in regions) == mask.sum()
    assert max(region["score"] for region in regions) == score
    for region in regions:
        x, y, width, height = region["bbox"]
        assert mask[y : y + height, x : x + width].sum() >= region["area_px"]


async def test_overlay_is_the_image_with_a_contour(client: Client) -> None:
    y, x = np.mgrid[:64, :64]
    disc = np.hypot(x - 32, y - 32)
    pixels = np.where((disc < 20)[..., np.newaxis], (200, 20, 20), (90, 100, 90)).astype(np.uint8)
    answer = await client.post("/predict/overlay", content=encode(pixels))
    overlay = read_picture(answer)
    assert overlay.shape == pixels.shape
    changed = (overlay != pixels).any(axis=2)
    assert changed[np.abs(disc - 20) < 0.5].all()
    assert not changed[np.abs(disc - 20) > 6].any()
    assert answer.headers["X-Polyp-Detected"] == "true"


async def test_probability_map_gives_the_mask_at_any_threshold(client: Client, png: bytes) -> None:
    probability = read_picture(await client.post("/predict/probability", content=png))
    assert probability.shape == (HEIGHT, WIDTH)
    mask = read_picture(await client.post("/predict?threshold=0.8", content=png)) > 0
    levels = probability / 255
    assert (levels[mask] >= 0.8 - 1 / 255).all()
    assert (levels[~mask] <= 0.8 + 1 / 255).all()


@pytest.mark.parametrize("name", ["png", "json", "overlay", "probability"])
async def test_negotiated_and_single_operations_agree(
    client: Client, png: bytes, name: str
) -> None:
    single = await client.post(f"/predict/{name}", content=png)
    chosen = await client.post("/predict", params={"format": name}, content=png)
    assert single.status_code == chosen.status_code == 200
    assert chosen.headers["Vary"].startswith("Accept")
    if name == "json":
        volatile = {"request_id", "timing_ms"}
        first, second = single.json(), chosen.json()
        assert {key: first[key] for key in first.keys() - volatile} == {
            key: second[key] for key in second.keys() - volatile
        }
    else:
        assert single.content == chosen.content


async def test_several_lines_of_accept_are_one_list(client: Client, png: bytes) -> None:
    lines = [("Accept", "image/png;q=0.1"), ("Accept", "text/html"), ("Accept", "application/json")]

    answer = await client.post("/predict", content=png, headers=lines)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"


async def test_format_wins_over_accept(client: Client, png: bytes) -> None:
    answer = await client.post(
        "/predict?format=png", content=png, headers={"Accept": "application/json"}
    )
    assert answer.headers["Content-Type"] == "image/png"


async def test_single_operations_ignore_accept(client: Client, png: bytes) -> None:
    answer = await client.post("/predict/json", content=png, headers={"Accept": "text/html"})
    assert answer.status_code == 200


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
async def test_every_accepted_format(client: Client, picture: NDArray[np.uint8], form: str) -> None:
    answer = await client.post("/predict", content=encode(picture, form))
    assert read_picture(answer).shape == (HEIGHT, WIDTH)


async def test_multipart_and_raw_agree_whatever_they_are_called(client: Client, png: bytes) -> None:
    raw = await client.post("/predict", content=png, headers={"Content-Type": "image/gif"})
    form = await client.post(
        "/predict", files={"file": ("report.pdf", png, "application/pdf")}, data={"note": "x"}
    )
    assert read_picture(raw).shape == (HEIGHT, WIDTH)
    assert raw.content == form.content


async def test_orientation_is_applied(client: Client, picture: NDArray[np.uint8]) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    data = encode(picture, "JPEG", exif=exif.tobytes())
    answer = await client.post("/predict/json", content=data)
    assert answer.json()["image"] == {"width": HEIGHT, "height": WIDTH, "exif_orientation": 6}
    assert answer.json()["mask"]["size"] == [WIDTH, HEIGHT]


async def test_no_polyp_is_an_answer_like_any_other(client: Client) -> None:
    grey = encode(np.full((20, 30, 3), 128, np.uint8))
    answer = await client.post("/predict/json", content=grey)
    assert answer.status_code == 200
    document = answer.json()
    assert document["mask"]["counts"] == [600]
    assert document["regions"] == []
    assert document["polyp_detected"] is False
    assert document["area_fraction"] == 0
    assert 0 < document["score"] < 0.5
    answer = await client.post("/predict", content=grey)
    assert answer.headers["X-Polyp-Detected"] == "false"
    assert answer.headers["X-Mask-Area"] == "0"
    assert not read_picture(answer).any()


async def test_all_polyp_starts_with_a_run_of_no_background(client: Client) -> None:
    red = encode(np.full((20, 30, 3), (255, 0, 0), np.uint8))
    document = (await client.post("/predict/json", content=red)).json()
    assert document["mask"]["counts"] == [0, 600]


@pytest.mark.parametrize("threshold", ["0.5", "0.99999999", "0.1234567", "0.00001"])
async def test_threshold_comes_back_as_it_went(client: Client, png: bytes, threshold: str) -> None:
    answer = await client.post("/predict", content=png, params={"threshold": threshold})

    assert answer.headers["X-Threshold"] == threshold


async def test_threshold_moves_the_mask(client: Client, png: bytes) -> None:
    areas = []
    for threshold in ("0.05", "0.5", "0.95"):
        answer = await client.post("/predict", content=png, params={"threshold": threshold})
        assert float(answer.headers["X-Threshold"]) == float(threshold)
        areas.append(int(answer.headers["X-Mask-Area"]))
    assert areas[0] > areas[1] > areas[2]


async def test_server_timing_names_every_stage(client: Client, png: bytes) -> None:
    answer = await client.post("/predict", content=png)
    entries = [entry.split(";dur=") for entry in answer.headers["Server-Timing"].split(", ")]
    assert [name for name, _ in entries] == STAGES
    assert all(float(duration) >= 0 for _, duration in entries)


async def test_large_answers_are_not_made_of_lists(serving: Serving) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8)
    async with serving() as client:
        answer = await client.post("/predict?format=json&rle=compressed", content=encode(noise))
        assert isinstance(json.loads(answer.text)["mask"]["counts"], str)
