"""The JSON documents that go out; the OpenAPI description is made from them."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.inference.bundle import Manifest

NOTICE: Final = "Research use only. Not a medical device."

Milliseconds = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class ModelId(_Document):
    """Which model answered."""

    name: str
    version: str
    sha256: str = Field(description="SHA-256 of the bundle's manifest, which holds all others.")


class SourceImage(_Document):
    """The image as it was received."""

    width: int = Field(description="In pixels, orientation applied.")
    height: int = Field(description="In pixels, orientation applied.")
    exif_orientation: int = Field(ge=1, le=8)


class Mask(_Document):
    """The mask as COCO run lengths: column-major, background first."""

    encoding: Literal["coco_rle"] = "coco_rle"
    size: tuple[int, int] = Field(description="Height and width of the source image.")
    counts: list[int] = Field(
        description="Run lengths; the first is 0 where pixel (0, 0) is in the mask."
    )


class CompressedMask(_Document):
    """The mask as COCO's compressed string, which pycocotools decodes."""

    encoding: Literal["coco_rle_compressed"] = "coco_rle_compressed"
    size: tuple[int, int] = Field(description="Height and width of the source image.")
    counts: str


class RegionDocument(_Document):
    """One connected component of the mask (8 neighbours)."""

    bbox: tuple[int, int, int, int] = Field(description="x, y, width, height in source pixels.")
    area_px: int
    score: Probability = Field(description="Highest probability in the region.")


class Timing(_Document):
    """Where the time went, in milliseconds."""

    decode: Milliseconds
    queue: Milliseconds
    infer: Milliseconds
    encode: Milliseconds
    total: Milliseconds


class Finding(_Document):
    """What was found in an image."""

    polyp_detected: bool = Field(description="True exactly when the mask is not empty.")
    score: Probability = Field(
        description="Highest probability in the mask, or in the image when the mask is empty."
    )
    threshold: float
    image: SourceImage
    mask: Mask | CompressedMask = Field(discriminator="encoding")
    area_px: int
    area_fraction: Probability
    regions: list[RegionDocument] = Field(description="Largest first, at most 100.")
    model: ModelId
    notice: str = NOTICE


class Prediction(Finding):
    """What was found in an image that was sent to the service."""

    request_id: str
    timing_ms: Timing


class Queue(_Document):
    """How full the service is."""

    depth: int = Field(description="Requests that are admitted and not yet answered.")
    limit: int = Field(description="Requests that are admitted at most.")


class HealthReport(_Document):
    """Whether the service can answer, and why not."""

    state: Literal["starting", "ready", "degraded", "draining", "failed"]
    reason: str
    engine: str | None = Field(description="Library that runs the model; null until it is loaded.")
    device: str | None
    model: ModelId
    queue: Queue
    batch_limit: int | None = Field(description="Most images in one run.")
    slots: int | None = Field(description="Batches that run at once.")
    threads: int | None = Field(description="Processor cores of a run that is alone.")
    notice: str = NOTICE


class ModelReport(Manifest):
    """The bundle's manifest, with the hash that vouches for it."""

    sha256: str = Field(description="SHA-256 of `manifest.json` as it is on disk.")
    notice: str = NOTICE


class Alive(_Document):
    """The process answers."""

    status: Literal["alive"] = "alive"
    notice: str = NOTICE


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str = Field(description="URI of the problem type: its place on the page `/docs`.")
    title: str
    status: int
    detail: str = Field(description="What went wrong this time, in one sentence.")
    code: str = Field(description="For programs.")
    request_id: str
