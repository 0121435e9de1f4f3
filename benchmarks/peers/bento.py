"""BentoML: https://docs.bentoml.com/en/latest/build-with-bentoml/parallelize-requests.html."""

from pathlib import Path
from typing import Annotated

import bentoml
from bentoml.validators import ContentType

from benchmarks.peers.work import PATIENCE_S, WORKERS, load


@bentoml.service(
    workers=WORKERS,
    threads=2,
    traffic={"timeout": PATIENCE_S, "max_concurrency": 64},
    metrics={"enabled": False},
    tracing={"sample_rate": 0.0},
)
class Polyps:
    """One worker."""

    def __init__(self) -> None:
        self.work = load()

    @bentoml.api(route="/predict")
    def predict(
        self, file: Annotated[Path, ContentType("image/jpeg")]
    ) -> Annotated[bytes, ContentType("image/png")]:
        """Mark polyps."""
        return self.work(file.read_bytes())
