"""The examples of the OpenAPI description, made by the code that makes the answers."""

import base64
from functools import cache
from typing import Any, Final

import numpy as np

from app.api.negotiation import Format
from app.api.render import finding, render_picture, timing
from app.api.schemas import Alive, HealthReport, ModelId, ModelReport, Prediction, Queue
from app.imaging import Field, phantom, read_header, render_overlay
from app.inference import Parity, State, TrainingRun
from app.inference import prediction as inferred

EXAMPLE_REQUEST_ID: Final = "7f3c0a52e2f84c4b8a36b1a3c1f0f6d1"

# So small that a person can read the run lengths.
EXAMPLE_HEIGHT: Final = 24
EXAMPLE_WIDTH: Final = 32

EXAMPLE_CARD: Final = """\
# polyp-unet 1

Research use only. Not a medical device.

## What it is for
...
"""

EXAMPLE_METRICS: Final = """\
# HELP polypseg_requests_total Requests that are over.
# TYPE polypseg_requests_total counter
polypseg_requests_total{format="png",route="/predict",status="200"} 1.0
# HELP polypseg_queue_depth Requests that are admitted and not yet answered.
# TYPE polypseg_queue_depth gauge
polypseg_queue_depth 0.0
"""

_MODEL: Final = ModelId(name="polyp-unet", version="1", sha256="0" * 64)
_JSON: Final = "application/json"
_PNG: Final = "image/png"


def example_image() -> bytes:
    """Return a small generated phantom as a PNG."""
    pixels, mask = phantom(EXAMPLE_HEIGHT, EXAMPLE_WIDTH)
    return render_overlay(pixels, np.zeros_like(mask))


def example_prediction() -> Prediction:
    """Return the answer that a perfect model would give for `example_image`."""
    found = _inferred()
    stages = {"decode": 1.2, "queue": 0.1, "infer": 13.9, "encode": 0.4, "total": 16.1}
    return Prediction(
        **dict(finding(found.segmentation, found.header, model=_MODEL)),
        request_id=EXAMPLE_REQUEST_ID,
        timing_ms=timing(stages),
    )


def example_picture(chosen: Format) -> bytes:
    """Return the picture that a perfect model would give for `example_image`."""
    return bytes(render_picture(_inferred(), chosen).body)


def example_health(state: State) -> HealthReport:
    """Return what the service says about itself in a state."""
    reasons = {
        State.STARTING: "The model is being loaded.",
        State.READY: "onnxruntime on the processor: No NVIDIA driver is installed; "
        "2 x 2 threads, batches up to 1: 9.2 ms alone, 118.3 images/s",
        State.DEGRADED: "The last run failed: The engine gave values from nan to nan, "
        "expected [0, 1].",
        State.DRAINING: "The service is about to stop.",
    }
    loaded = state is not State.STARTING
    return HealthReport(
        state=state.value,
        reason=reasons[state],
        engine="onnxruntime" if loaded else None,
        device="cpu" if loaded else None,
        model=_MODEL,
        queue=Queue(depth=0, limit=591 if loaded else 0),
        batch_limit=1 if loaded else None,
        slots=2 if loaded else None,
        threads=2 if loaded else None,
    )


def example_model() -> ModelReport:
    """Return a manifest; its figures are made up."""
    return ModelReport(
        name=_MODEL.name,
        version=_MODEL.version,
        sha256=_MODEL.sha256,
        input_height=256,
        input_width=256,
        threshold=0.5,
        parameters=416_209,
        gflop=2.1,
        files={"model.onnx": "0" * 64, "model_card.md": "0" * 64},
        training=TrainingRun(
            commit="0" * 40,
            recipe="tutorial",
            seed=42,
            split="tutorial",
            split_hash="0" * 64,
            data_hash="0" * 64,
            settings={"batch": 8, "learning_rate": 0.0001},
            packages={"tensorflow": "2.21.0"},
            train_frames=("cvc-clinicdb/1", "cvc-clinicdb/2"),
            validation_frames=("cvc-clinicdb/100",),
        ),
        metrics={"tutorial/test": {"dice": 0.8, "iou": 0.7}},
        parity=(Parity(frames=61, max_abs_difference=2e-6, mask_disagreement=0.0),),
    )


def answer_examples() -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return what the description says of answers, by operation, status and media type."""
    prediction = _document(example_prediction())
    healthy = _document(example_health(State.READY))
    unwell = {
        "examples": {
            state.value: {"value": example_health(state).model_dump(mode="json")}
            for state in (State.STARTING, State.DEGRADED, State.DRAINING)
        }
    }
    return {
        ("predict", "200", _JSON): prediction,
        ("predict", "200", _PNG): _picture(Format.PNG),
        ("predict_png", "200", _PNG): _picture(Format.PNG),
        ("predict_json", "200", _JSON): prediction,
        ("predict_overlay", "200", _PNG): _picture(Format.OVERLAY),
        ("predict_probability", "200", _PNG): _picture(Format.PROBABILITY),
        ("health", "200", _JSON): healthy,
        ("health", "503", _JSON): unwell,
        ("health_ready", "200", _JSON): healthy,
        ("health_ready", "503", _JSON): unwell,
        ("health_live", "200", _JSON): _document(Alive()),
        ("model", "200", _JSON): _document(example_model()),
        ("model_card", "200", "text/markdown"): {"example": EXAMPLE_CARD},
        ("metrics", "200", "text/plain"): {"example": EXAMPLE_METRICS},
    }


def refer(example: str) -> dict[str, str]:
    """Return a reference to an example that stands among the components."""
    return {"$ref": f"#/components/examples/{example}"}


def picture_example(data: bytes, summary: str) -> dict[str, Any]:
    """Return a PNG as an example; OpenAPI has no other place for bytes than an address."""
    address = f"data:{_PNG};base64,{base64.b64encode(data).decode()}"
    return {"summary": summary, "externalValue": address}


def _picture(chosen: Format) -> dict[str, Any]:
    example = picture_example(example_picture(chosen), "The answer for the phantom")
    return {"examples": {"phantom": example}}


def _document(document: Prediction | HealthReport | Alive | ModelReport) -> dict[str, Any]:
    return {"example": document.model_dump(mode="json")}


@cache
def _inferred() -> inferred.Prediction:
    data = example_image()
    _, mask = phantom(EXAMPLE_HEIGHT, EXAMPLE_WIDTH)
    return inferred.Prediction(
        header=read_header(data),
        data=data,
        small=np.where(mask > 0, np.float32(0.97), np.float32(0.02)),
        view=Field(0, 0, EXAMPLE_HEIGHT, EXAMPLE_WIDTH),
        threshold=0.5,
        min_area=0,
    )
