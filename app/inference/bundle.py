"""A bundle: the directory that holds a model and the manifest that vouches for it."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError
from pydantic.functional_validators import AfterValidator

from app.inference.engine import Device

MANIFEST = "manifest.json"
ONNX_MODEL = "model.onnx"
SAVED_MODEL = "saved_model.pb"
CARD = "model_card.md"

# Parity between the engines: what counts as the same model. Rounding to float32 alone moves the
# steep maps of a U-Net trained on Dice by 2e-4 in either engine, measured against float64.
MAX_ABS_DIFFERENCE = 1e-3
MAX_MASK_DISAGREEMENT = 1e-4
MIN_DICE = 0.999


class BundleError(Exception):
    """A bundle cannot be trusted or does not fit; the message is one line that names the fault."""


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path != "/".join(parts) or ".." in parts or "\\" in path or path == MANIFEST:
        raise ValueError(f"'{path}' is not the plain relative path of a file in the bundle")
    return path


_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
Name = Annotated[str, StringConstraints(pattern=_NAME)]
Version = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,17})$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
RelativePath = Annotated[str, AfterValidator(_inside)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def is_name(text: str) -> bool:
    """Say whether a model may be called so."""
    return re.fullmatch(_NAME, text) is not None


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TrainingRun(_Record):
    """Where the weights come from: enough to train them again.

    Attributes:
        commit: Git commit of the training code.
        recipe: Name of the recipe.
        seed: Seed from which every order and augmentation derives.
        split: Name of the split.
        split_hash: SHA-256 over the roles and keys of the split.
        data_hash: SHA-256 of the manifest of the data.
        settings: Every setting of the run, as JSON values.
        packages: Versions of the packages that matter.
        train_frames: Keys of the frames that the weights were fitted to.
        validation_frames: Keys of the frames that chose the weights; none if those trained as well.
    """

    commit: str
    recipe: str
    seed: int
    split: str
    split_hash: str
    data_hash: str
    settings: dict[str, JsonValue] = {}
    packages: dict[str, str] = {}
    train_frames: tuple[str, ...] = ()
    validation_frames: tuple[str, ...] = ()


class Parity(_Record):
    """How far the ONNX model and the SavedModel were apart when the bundle was exported.

    Attributes:
        device: Device of the SavedModel; the ONNX model ran on a CPU.
        frames: Number of images compared.
        max_abs_difference: Largest difference between two probabilities.
        mask_disagreement: Fraction of the pixels whose masks differ at the operating threshold.
        dice: Dice between the two sets of masks; judged on a GPU, where TF32 and float16 round.
    """

    device: Device = "cpu"
    frames: int = Field(ge=1)
    max_abs_difference: float = Field(ge=0)
    mask_disagreement: Fraction
    dice: Fraction | None = None

    @property
    def within_bounds(self) -> bool:
        """Whether the engines may stand in for each other."""
        if self.device == "gpu":
            return self.dice is not None and self.dice >= MIN_DICE
        return (
            self.max_abs_difference <= MAX_ABS_DIFFERENCE
            and self.mask_disagreement <= MAX_MASK_DISAGREEMENT
        )


class Manifest(_Record):
    """What a bundle says about itself, in `manifest.json`.

    Attributes:
        name: Name of the model.
        version: Version of the bundle, an integer as TensorFlow Serving wants it.
        input_height: Height of the model's input in pixels.
        input_width: Width of the model's input in pixels.
        cropped: Whether an image is cut to its field of view first; outside it the mask is empty.
        label: What the mask marks.
        threshold: Operating threshold in (0, 1): the mask is probability >= threshold.
        min_area: Regions under this many source pixels are removed; 0 turns it off.
        temperature: Calibration: logits were divided by it before the sigmoid.
        parameters: Number of weights.
        gflop: Arithmetic of one image, in 10^9 floating-point operations.
        files: SHA-256 of every file but the manifest, by path relative to the bundle.
        training: The run that made the weights.
        metrics: Figures by protocol: `{"pranet/kvasir": {"dice": 0.9}}`.
        parity: Measured agreement of the engines, one entry a device.
    """

    name: Name
    version: Version
    input_height: int = Field(ge=1, le=8192)
    input_width: int = Field(ge=1, le=8192)
    cropped: bool = False
    label: str = "polyp"
    threshold: float = Field(gt=0, lt=1)
    min_area: int = Field(default=0, ge=0)
    temperature: float = Field(default=1.0, gt=0)
    parameters: int = Field(ge=0)
    gflop: float = Field(ge=0)
    files: dict[RelativePath, Sha256]
    training: TrainingRun
    metrics: dict[str, dict[str, float]] = {}
    parity: tuple[Parity, ...] = ()

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the model; figures that are recorded in the manifest do not change it."""
        return self.files.get(ONNX_MODEL) or self.files[SAVED_MODEL]

    def parity_on(self, device: Device) -> Parity | None:
        """Return the parity that was measured on `device`, or None."""
        return next((parity for parity in self.parity if parity.device == device), None)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle.

    Attributes:
        path: The directory of the version.
        manifest: Its manifest.
        sha256: SHA-256 of the bytes of `manifest.json`; it covers every file through the hashes.
    """

    path: Path
    manifest: Manifest
    sha256: str

    @property
    def onnx_model(self) -> Path | None:
        """The model for ONNX Runtime, if the bundle holds one."""
        return self.path / ONNX_MODEL if ONNX_MODEL in self.manifest.files else None

    def read(self, name: str) -> bytes:
        """Read a file that the manifest lists; it must still be the one that was verified.

        Raises:
            BundleError: It was changed or removed since.
        """
        try:
            data = (self.path / name).read_bytes()
        except OSError as error:
            raise BundleError(
                f"Bundle '{self.path}': cannot read '{name}': {error.strerror}."
            ) from error
        _compare(
            self.path,
            {name: self.manifest.files[name]},
            {name: hashlib.sha256(data).hexdigest()},
        )
        return data

    def verify(self) -> None:
        """Make sure that all files are still those that were verified.

        Raises:
            BundleError: A file is missing, unexpected or changed.
        """
        _compare(self.path, self.manifest.files, _hashes(self.path))

    @property
    def saved_model(self) -> Path | None:
        """The SavedModel directory for TensorFlow, if the bundle holds one."""
        return self.path if SAVED_MODEL in self.manifest.files else None


def hash_files(path: Path) -> dict[str, str]:
    """Hash every file under `path` but the manifest.

    Args:
        path: Directory of a bundle.

    Returns:
        SHA-256 in hexadecimal by relative path with forward slashes, sorted by path.

    Raises:
        BundleError: An entry is not a plain file or directory: a link could lead out.
    """
    hashes = {}
    for entry in sorted(path.rglob("*")):
        relative = entry.relative_to(path).as_posix()
        if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
            raise BundleError(f"Bundle '{path}': '{relative}' is not a plain file.")
        if entry.is_file() and relative != MANIFEST:
            with entry.open("rb") as stream:
                hashes[relative] = hashlib.file_digest(stream, "sha256").hexdigest()
    return hashes


def load_bundle(root: Path, version: str | None = None) -> Bundle:
    """Read and verify a bundle.

    Args:
        root: Directory of the model, which holds one directory per version.
        version: The version to load; None means the highest integer.

    Returns:
        The bundle, with hashes that fit; signatures are checked when a model is loaded.

    Raises:
        BundleError: A folder, the manifest or a file is missing, unexpected or changed.
    """
    path = _find_version(root, version)
    try:
        text = (path / MANIFEST).read_bytes()
    except OSError as error:
        raise BundleError(
            f"Bundle '{path}': cannot read '{MANIFEST}': {error.strerror}."
        ) from error
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise BundleError(f"Bundle '{path}': '{MANIFEST}' is invalid: {_first(error)}.") from error
    if manifest.version != path.name:
        raise BundleError(
            f"Bundle '{path}': the manifest is of version '{manifest.version}', "
            f"expected '{path.name}' as the folder says."
        )
    found = _hashes(path)
    _compare(path, manifest.files, found)
    if ONNX_MODEL not in found and SAVED_MODEL not in found:
        raise BundleError(f"Bundle '{path}': neither '{ONNX_MODEL}' nor '{SAVED_MODEL}' is there.")
    return Bundle(path, manifest, hashlib.sha256(text).hexdigest())


def _hashes(path: Path) -> dict[str, str]:
    try:
        return hash_files(path)
    except OSError as error:
        raise BundleError(
            f"Bundle '{path}': cannot read '{error.filename}': {error.strerror}."
        ) from error


def _find_version(root: Path, version: str | None) -> Path:
    if not root.is_dir():
        raise BundleError(
            f"Bundle folder '{root}' does not exist; name another with --model or POLYPSEG_MODEL."
        )
    versions = [
        entry.name
        for entry in root.iterdir()
        if re.fullmatch("0|[1-9][0-9]*", entry.name) and entry.is_dir()
    ]
    if version is None:
        if not versions:
            raise BundleError(f"Bundle folder '{root}' holds no version: expected '{root / '1'}'.")
        return root / max(versions, key=int)
    if version not in versions:
        found = ", ".join(sorted(versions, key=int)) or "none"
        raise BundleError(f"Bundle folder '{root}' has no version '{version}' (found: {found}).")
    return root / version


def _first(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {fault['msg']}" if where else fault["msg"]


def _compare(path: Path, wanted: dict[str, str], found: dict[str, str]) -> None:
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            raise BundleError(f"Bundle '{path}': '{name}' is missing.")
        if name not in wanted:
            raise BundleError(f"Bundle '{path}': '{name}' is not listed in '{MANIFEST}'.")
        if wanted[name] != found[name]:
            raise BundleError(
                f"Bundle '{path}': '{name}' has SHA-256 {found[name]}, expected {wanted[name]}."
            )
