"""What a bundle must be like to be loaded, and how each fault is named."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.inference import Bundle, BundleError, Manifest, Parity, hash_files, load_bundle
from app.inference.engines.onnxruntime import OnnxRuntimeEngine
from tests.bundles import write_tiny_bundle


def edit_manifest(path: Path, **changes: Any) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, **changes}))


def refusal(root: Path, version: str | None = None) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(root, version)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_sound_bundle_is_loaded(root: Path) -> None:
    path = write_tiny_bundle(root, height=32, width=48, threshold=0.4)
    bundle = load_bundle(root)
    assert bundle.path == path
    assert (bundle.manifest.input_height, bundle.manifest.input_width) == (32, 48)
    assert bundle.manifest.threshold == 0.4
    assert bundle.sha256 == hashlib.sha256((path / "manifest.json").read_bytes()).hexdigest()
    assert bundle.onnx_model == path / "model.onnx"
    assert bundle.saved_model is None


def test_hashes_are_of_every_file_but_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    for name in ("manifest.json", "b.txt", "variables/a.bin"):
        (tmp_path / name).write_bytes(name.encode())
    assert hash_files(tmp_path) == {
        name: hashlib.sha256(name.encode()).hexdigest() for name in ("b.txt", "variables/a.bin")
    }


def test_highest_version_is_an_integer_not_a_string(root: Path) -> None:
    for version in ("9", "10"):
        write_tiny_bundle(root, version=version)
    (root / "notes").mkdir()
    (root / "11").write_text("a file is no version")
    assert load_bundle(root).manifest.version == "10"
    assert load_bundle(root, "9").manifest.version == "9"


def test_missing_folders_and_versions_are_named(root: Path) -> None:
    assert refusal(root) == (
        f"Bundle folder '{root}' does not exist; name another with --model or POLYPSEG_MODEL."
    )
    root.mkdir(parents=True)
    assert refusal(root) == f"Bundle folder '{root}' holds no version: expected '{root}/1'."
    assert "has no version '2' (found: none)" in refusal(root, "2")
    write_tiny_bundle(root)
    assert "has no version '2' (found: 1)" in refusal(root, "2")
    assert "has no version '../tiny/1'" in refusal(root, "../tiny/1")


def test_missing_manifest_is_named(root: Path) -> None:
    path = write_tiny_bundle(root)
    (path / "manifest.json").unlink()
    assert refusal(root) == (
        f"Bundle '{path}': cannot read 'manifest.json': No such file or directory."
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", '{"name": "x"}'])
def test_manifest_that_is_no_manifest_is_refused(root: Path, text: str) -> None:
    path = write_tiny_bundle(root)
    (path / "manifest.json").write_text(text)
    assert "'manifest.json' is invalid: " in refusal(root)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"threshold": 1.0}, "threshold: Input should be less than 1"),
        ({"threshold": 0}, "threshold"),
        ({"temperature": 0}, "temperature"),
        ({"input_height": 0}, "input_height"),
        ({"input_width": 2.5}, "input_width"),
        ({"min_area": -1}, "min_area"),
        ({"name": "Bad Name\nX: y"}, "name"),
        ({"version": "1.0"}, "version"),
        ({"surprise": 1}, "surprise"),
        ({"training": None}, "training"),
        ({"metrics": {"p": {"dice": "NaN"}}}, "metrics.p.dice"),
        ({"parity": [{"frames": 0}]}, "parity.0.frames"),
        ({"files": {"model.onnx": "abc"}}, "files.model.onnx"),
    ],
)
def test_faulty_field_is_named(root: Path, changes: dict[str, Any], named: str) -> None:
    path = write_tiny_bundle(root)
    edit_manifest(path, **changes)
    assert named in refusal(root)


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "/etc/passwd",
        "variables/../../secret",
        "a//b",
        "./a",
        "a/",
        "..\\secret",
        "",
        ".",
        "manifest.json",
    ],
)
def test_path_that_leads_out_of_the_bundle_is_refused(root: Path, name: str) -> None:
    path = write_tiny_bundle(root)
    (root / "secret").write_bytes(b"secret")
    files = {**hash_files(path), name: hashlib.sha256(b"secret").hexdigest()}
    edit_manifest(path, files=files)
    assert "is not the plain relative path of a file in the bundle" in refusal(root)


def test_version_of_the_manifest_must_be_that_of_the_folder(root: Path) -> None:
    write_tiny_bundle(root).rename(root / "7")
    assert "the manifest is of version '1', expected '7'" in refusal(root)


def test_missing_file_is_named(root: Path) -> None:
    path = write_tiny_bundle(root)
    (path / "model.onnx").unlink()
    assert refusal(root) == f"Bundle '{path}': 'model.onnx' is missing."


def test_extra_file_is_named(root: Path) -> None:
    path = write_tiny_bundle(root)
    (path / "variables").mkdir()
    (path / "variables" / "more").write_text("")
    message = refusal(root)
    assert message == f"Bundle '{path}': 'variables/more' is not listed in 'manifest.json'."


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(b"x"), Path.unlink])
def test_a_file_that_changes_after_it_was_verified_is_not_used(
    root: Path, change: Callable[[Path], object]
) -> None:
    write_tiny_bundle(root)
    tiny = load_bundle(root)
    assert tiny.read("model.onnx") == (tiny.path / "model.onnx").read_bytes()
    tiny.verify()
    change(tiny.path / "model.onnx")
    with pytest.raises(BundleError, match=r"'model\.onnx'"):
        tiny.read("model.onnx")
    with pytest.raises(BundleError, match=r"'model\.onnx'"):
        tiny.verify()
    with pytest.raises(BundleError, match=r"'model\.onnx'"):
        OnnxRuntimeEngine(tiny)


def test_changed_file_is_named_with_both_hashes(root: Path) -> None:
    path = write_tiny_bundle(root)
    model = path / "model.onnx"
    before = hashlib.sha256(model.read_bytes()).hexdigest()
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    after = hashlib.sha256(model.read_bytes()).hexdigest()
    assert refusal(root) == (
        f"Bundle '{path}': 'model.onnx' has SHA-256 {after}, expected {before}."
    )


@pytest.mark.parametrize("target", ["model.onnx", "/etc/hostname", "."])
def test_links_are_refused(root: Path, target: str) -> None:
    path = write_tiny_bundle(root)
    (path / "link").symlink_to(target)
    assert refusal(root) == f"Bundle '{path}': 'link' is not a plain file."


def test_pipe_is_refused_instead_of_read(root: Path) -> None:
    path = write_tiny_bundle(root)
    os.mkfifo(path / "pipe")
    assert "'pipe' is not a plain file" in refusal(root)


def test_bundle_without_a_model_is_refused(root: Path) -> None:
    write_tiny_bundle(root, onnx_model=False)
    assert "neither 'model.onnx' nor 'saved_model.pb' is there" in refusal(root)


def test_unreadable_file_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tiny_bundle(root)

    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "model.onnx")

    monkeypatch.setattr(hashlib, "file_digest", fail)  # root may read anything
    assert refusal(root) == f"Bundle '{path}': cannot read 'model.onnx': Permission denied."


def test_manifest_survives_the_way_to_disk_and_back(tiny: Bundle) -> None:
    manifest = tiny.manifest
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_manifest_is_frozen(tiny: Bundle) -> None:
    with pytest.raises(ValidationError, match=re.escape("Instance is frozen")):
        tiny.manifest.threshold = 0.1


@pytest.mark.parametrize(
    ("parity", "within"),
    [
        (Parity(frames=9, max_abs_difference=1e-3, mask_disagreement=1e-4), True),
        (Parity(frames=9, max_abs_difference=1.1e-3, mask_disagreement=0), False),
        (Parity(frames=9, max_abs_difference=0, mask_disagreement=1.1e-4), False),
        (Parity(device="gpu", frames=9, max_abs_difference=0.1, mask_disagreement=0.1), False),
        (
            Parity(
                device="gpu", frames=9, max_abs_difference=0.1, mask_disagreement=0.1, dice=0.999
            ),
            True,
        ),
        (
            Parity(device="gpu", frames=9, max_abs_difference=0, mask_disagreement=0, dice=0.9989),
            False,
        ),
    ],
)
def test_bounds_of_parity(parity: Parity, within: bool) -> None:
    assert parity.within_bounds is within


def test_parity_is_found_by_device(tiny: Bundle) -> None:
    parity = tiny.manifest.parity_on("cpu")
    assert parity is not None
    assert parity.within_bounds
    assert tiny.manifest.parity_on("gpu") is None
