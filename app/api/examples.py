"""The example of an answer, made by the code that makes the answers."""

from typing import Final

import numpy as np

from app.api.render import finding, timing
from app.api.schemas import ModelId, Prediction
from app.imaging import Header, phantom, segment

EXAMPLE_REQUEST_ID: Final = "7f3c0a52e2f84c4b8a36b1a3c1f0f6d1"

# So small that a person can read the run lengths.
EXAMPLE_HEIGHT: Final = 24
EXAMPLE_WIDTH: Final = 32


def example_prediction() -> Prediction:
    """Return the answer that a perfect model would give for a small generated phantom."""
    _, mask = phantom(EXAMPLE_HEIGHT, EXAMPLE_WIDTH)
    probability = np.where(mask > 0, np.float32(0.97), np.float32(0.02))
    found = finding(
        segment(probability, 0.5),
        Header("PNG", "image/png", EXAMPLE_WIDTH, EXAMPLE_HEIGHT, 1),
        model=ModelId(name="polyp-unet", version="1", sha256="0" * 64),
    )
    stages = {"decode": 1.2, "queue": 0.1, "infer": 13.9, "encode": 0.4, "total": 16.1}
    return Prediction(**dict(found), request_id=EXAMPLE_REQUEST_ID, timing_ms=timing(stages))
