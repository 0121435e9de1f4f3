"""Examples are decoded once; an epoch can be made again from its seed and number alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from app.imaging import resize
from model_training.datasets import DatasetError, Frame, read_dataset, working_size
from model_training.pipeline import Augment, epoch, examples, load_frame, load_record
from model_training.shards import ShardSettings, read_shards
from model_training.shards.record import encode_record, parse_record
from model_training.shards.writing import write_shards
from model_training.splits import Split, read_split
from tests.model_training.generated import picture, save, write_pairs

SIZE = 23


@pytest.fixture
def frames(tmp_path: Path) -> tuple[Frame, ...]:
    """Return frames with and without polyps; the corner of each image tells its place."""
    write_pairs(tmp_path / "data/kvasir_seg", [f"{n:02d}" for n in range(SIZE - 3)])
    for name in "xyz":
        save(tmp_path / f"data/negatives/{name}.png", picture(ord(name))[0])
    found = [
        *read_dataset("kvasir-seg", tmp_path / "data").frames,
        *read_dataset("negatives", tmp_path / "data").frames,
    ]
    for place, frame in enumerate(found):
        image = frame.read_image()
        image[:16, :16] = 10 * place
        save(frame.image, image)
    return tuple(found)


def arrays(dataset: Any) -> list[tuple[Any, ...]]:
    return list(dataset.as_numpy_iterator())


def places(dataset: Any) -> list[list[int]]:
    """Return, batch by batch, which examples there are."""
    return [(images[:, 2, 2, 0] // 10).tolist() for images, _ in arrays(dataset)]


def test_examples_are_the_frames_in_order(frames: tuple[Frame, ...]) -> None:
    made = arrays(examples(frames, 24, 32))
    assert len(made) == SIZE
    for (image, mask), frame in zip(made, frames, strict=True):
        assert (image.dtype, image.shape) == (np.uint8, (24, 32, 3))
        assert (mask.dtype, mask.shape) == (np.uint8, (24, 32))
        np.testing.assert_array_equal(image, resize(frame.read_image(), 24, 32))
        np.testing.assert_array_equal(mask, resize(frame.read_mask(), 24, 32) > 127)
    assert [bool(mask.any()) for _, mask in made] == [True] * (SIZE - 3) + [False] * 3


def test_shapes_are_known_before_anything_is_decoded(frames: tuple[Frame, ...]) -> None:
    image, mask = examples(frames, 24, 32).element_spec
    assert image.shape == (24, 32, 3)
    assert mask.shape == (24, 32)


def test_every_file_is_decoded_once_for_all_epochs(frames: tuple[Frame, ...]) -> None:
    made = examples(frames, 24, 32)
    first = arrays(epoch(made, size=SIZE, batch=5, seed=1, epoch=0))
    for path in (*(f.image for f in frames), *(f.mask for f in frames if f.mask)):
        path.unlink()
    again = arrays(epoch(made, size=SIZE, batch=5, seed=1, epoch=0))
    np.testing.assert_equal(again, first)
    assert len(places(epoch(made, size=SIZE, batch=5, seed=1, epoch=1, augment=keep))) == 5
    assert len(arrays(made.batch(8))) == 3


def test_nothing_is_tuned_in_the_background(frames: tuple[Frame, ...]) -> None:
    # TensorFlow's tuner can sleep for most of a minute while the end of an epoch waits for it.
    made = examples(frames, 24, 32)
    for dataset in (made.batch(8), epoch(made, size=SIZE, batch=5, seed=1, epoch=0, augment=keep)):
        assert dataset.options().autotune.enabled is False


def keep(example: tuple[Any, Any], *_: Any) -> tuple[Any, Any]:
    return example


def test_an_epoch_is_the_same_whenever_it_is_made(frames: tuple[Frame, ...]) -> None:
    made = []
    for state in (5, 6):
        tf.random.set_seed(state)
        fresh = examples(frames, 24, 32)
        if state == 6:
            places(epoch(fresh, size=SIZE, batch=4, seed=3, epoch=6))
        dataset = epoch(fresh, size=SIZE, batch=4, seed=3, epoch=7)
        made += [arrays(dataset), arrays(dataset)]
    for other in made[1:]:
        np.testing.assert_equal(other, made[0])


def test_the_order_of_an_epoch_never_changes(frames: tuple[Frame, ...]) -> None:
    # Written down once: a run that was begun with another version can be resumed with this one.
    order = places(epoch(examples(frames, 24, 32), size=SIZE, batch=SIZE, seed=42, epoch=3))
    assert order == [
        [13, 8, 3, 15, 19, 2, 11, 12, 16, 21, 17, 0, 7, 10, 20, 14, 22, 18, 4, 9, 6, 5, 1]
    ]


def test_epochs_and_seeds_differ_and_hold_every_example_once(frames: tuple[Frame, ...]) -> None:
    made = examples(frames, 24, 32)
    orders = set()
    for seed, number in ((1, 0), (1, 1), (1, 2), (2, 0), (2, 1)):
        batches = places(epoch(made, size=SIZE, batch=5, seed=seed, epoch=number))
        assert [len(batch) for batch in batches] == [5, 5, 5, 5, 3]
        order = tuple(place for batch in batches for place in batch)
        assert sorted(order) == list(range(SIZE))
        orders.add(order)
    assert len(orders) == 5


def test_a_last_smaller_batch_can_be_left_out(frames: tuple[Frame, ...]) -> None:
    dataset = epoch(
        examples(frames, 24, 32), size=SIZE, batch=5, seed=1, epoch=0, drop_remainder=True
    )
    assert [len(batch) for batch in places(dataset)] == [5, 5, 5, 5]
    assert dataset.element_spec[0].shape == (5, 24, 32, 3)


def test_each_example_has_its_own_seed_in_each_epoch(frames: tuple[Frame, ...]) -> None:
    made = examples(frames, 24, 32)

    def seeds(batch: int, seed: int, number: int) -> dict[int, tuple[int, ...]]:
        dataset = epoch(
            made,
            size=SIZE,
            batch=batch,
            seed=seed,
            epoch=number,
            augment=lambda example, _, seed: (example[0], seed),
        )
        return {
            int(image[2, 2, 0]) // 10: tuple(seed.tolist())
            for images, batch_seeds in arrays(dataset)
            for image, seed in zip(images, batch_seeds, strict=True)
        }

    one = seeds(5, 1, 0)
    assert len(one) == SIZE
    assert seeds(8, 1, 0) == one
    everything = [*one.values(), *seeds(5, 1, 1).values(), *seeds(5, 2, 0).values()]
    assert len(set(everything)) == 3 * SIZE


def test_augmentation_is_applied_to_image_and_mask(frames: tuple[Frame, ...]) -> None:
    def mirror(example: tuple[Any, Any], *_: Any) -> tuple[Any, Any]:
        image, mask = example
        return image[:, ::-1], mask[:, ::-1]

    made = examples(frames, 24, 32)
    plain = arrays(epoch(made, size=SIZE, batch=5, seed=1, epoch=0))
    mirrored = arrays(epoch(made, size=SIZE, batch=5, seed=1, epoch=0, augment=mirror))
    for (images, masks), (mirrored_images, mirrored_masks) in zip(plain, mirrored, strict=True):
        np.testing.assert_array_equal(mirrored_images, images[:, :, ::-1])
        np.testing.assert_array_equal(mirrored_masks, masks[:, :, ::-1])


def test_a_wrong_number_of_examples_is_refused(frames: tuple[Frame, ...]) -> None:
    with pytest.raises(ValueError, match="size is 20; the data set has 23 examples"):
        epoch(examples(frames, 24, 32), size=20, batch=5, seed=1, epoch=0)


def test_a_frame_is_loaded_from_its_files(frames: tuple[Frame, ...]) -> None:
    image, mask = load_frame(frames, 3, height=24, width=32)
    np.testing.assert_array_equal(image, resize(frames[3].read_image(), 24, 32))
    np.testing.assert_array_equal(mask, resize(frames[3].read_mask(), 24, 32) > 127)
    frames[3].image.unlink()
    with pytest.raises(DatasetError, match=r"kvasir-seg/03: .*No such file"):
        load_frame(frames, 3, height=24, width=32)


def test_a_record_is_loaded_from_its_bytes(frames: tuple[Frame, ...]) -> None:
    record = encode_record(frames[3], ShardSettings(height=24, width=32, encoding="png"))
    encoded = (feature.numpy() for feature in parse_record(record))
    image, mask = load_record(*encoded, height=24, width=32)
    np.testing.assert_equal((image, mask), load_frame(frames, 3, height=24, width=32))


def test_frames_may_be_cut_to_their_field_of_view(tmp_path: Path) -> None:
    image, mask = np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80), np.uint8)
    inner, polyp = picture(4, 40, 48)
    image[8:48, 16:64], mask[8:48, 16:64] = np.maximum(inner, 30), polyp
    save(tmp_path / "image.png", image)
    save(tmp_path / "mask.png", mask)
    frame = Frame("kvasir-seg", "a", tmp_path / "image.png", tmp_path / "mask.png", "kvasir-seg/a")
    pixels, target = working_size(np.maximum(inner, 30), polyp, 24, 32)
    record = encode_record(frame, ShardSettings(height=60, width=80, encoding="png"))
    encoded = (feature.numpy() for feature in parse_record(record))
    for made in (
        load_frame([frame], 0, height=24, width=32, cropped=True),
        load_record(*encoded, height=24, width=32, cropped=True),
        *arrays(examples([frame], 24, 32, cropped=True)),
    ):
        np.testing.assert_array_equal(made[0], pixels)
        np.testing.assert_array_equal(made[1], target > 0)


def test_a_frame_that_cannot_be_decoded_is_named(frames: tuple[Frame, ...]) -> None:
    frames[4].image.write_bytes(b"no image")
    with pytest.raises(tf.errors.OpError, match="kvasir-seg/04: "):
        arrays(examples(frames, 24, 32))


@pytest.mark.parametrize("size", [(24, 32), (20, 20)])
def test_lossless_shards_and_files_give_the_same_examples(
    frames: tuple[Frame, ...], tmp_path: Path, size: tuple[int, int]
) -> None:
    split = Split("some", frames, (), ())
    settings = ShardSettings(height=24, width=32, encoding="png", max_bytes=20_000)
    write_shards(split, tmp_path / "shards", settings)
    part = read_shards(tmp_path / "shards", "train")
    assert len(part.files) > 1
    from_shards = arrays(examples(part, *size))
    assert [image.shape[:2] for image, _ in from_shards] == [size] * SIZE
    if size == (24, 32):
        np.testing.assert_equal(from_shards, arrays(examples(frames, *size)))
    made = epoch(examples(part, *size), size=len(part), batch=5, seed=1, epoch=0)
    assert sorted(place for batch in places(made) for place in batch) == list(range(SIZE))


def test_a_role_without_frames_gives_no_examples(frames: tuple[Frame, ...], tmp_path: Path) -> None:
    write_shards(
        Split("some", frames, (), ()), tmp_path / "shards", ShardSettings(height=24, width=32)
    )
    for source in (read_shards(tmp_path / "shards", "test"), ()):
        assert arrays(examples(source, 24, 32)) == []


def test_shards_of_real_frames_differ_from_files_by_the_jpeg_alone(
    data: Path, tmp_path: Path
) -> None:
    real = read_split("pranet", data, verify="headers").train[::90]
    assert {frame.dataset for frame in real} == {"cvc-clinicdb", "kvasir-seg"}
    split = Split("some", real, (), ())
    write_shards(split, tmp_path / "shards", ShardSettings(height=256, width=256))
    from_files = arrays(examples(real, 256, 256))
    from_shards = arrays(examples(read_shards(tmp_path / "shards", "train"), 256, 256))
    for (image, mask), (stored_image, stored_mask) in zip(from_files, from_shards, strict=True):
        np.testing.assert_array_equal(stored_mask, mask)
        error = np.abs(stored_image.astype(np.int16) - image)
        assert error.mean() < 2
        assert error.max() < 32


def test_each_example_comes_with_the_one_before_it(frames: tuple[Frame, ...]) -> None:
    made = examples(frames, 24, 32)

    def batches(augment: Augment | None) -> list[tuple[Any, ...]]:
        dataset = epoch(made, size=SIZE, batch=5, seed=1, epoch=0, augment=augment)
        return arrays(dataset.unbatch())

    donors = batches(lambda _, donor, __: donor)
    np.testing.assert_equal(donors[1:], batches(None)[:-1])
    assert not any(one.any() for one in donors[0])
