"""Runs the real service with an engine that can be held, from outside, by files in a folder.

`loading` and `running` in that folder hold the loading of the model and its runs as long as they
exist, and `failing` makes runs fail; `journal` gets a line for every image that is run.
"""

import dataclasses
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app import main
from app.cli import main as cli
from app.inference import Bundle, Choice, Engine, EngineError, Predictor, choose_engine, load_bundle
from app.inference.loading import Loaded, load
from app.settings import Settings
from tests.waiting import wait_until

FOLDER = Path(os.environ["HELD_FOLDER"])


class Held:
    """The real engine, when it is let."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.name, self.device, self.threads = engine.name, engine.device, engine.threads
        self.close = engine.close

    def infer(self, images: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.float32]:
        """Note the images, wait, run."""
        with (FOLDER / "journal").open("a") as journal:
            journal.write("image\n" * len(images))
        wait_until(lambda: not (FOLDER / "running").exists())
        if (FOLDER / "failing").exists():
            raise EngineError("It was told to fail.")
        return self.engine.infer(images, alone=alone)


def load_held(bundle: Bundle, choice: Choice, max_batch: int | None) -> Loaded:
    """Load the real engine, when it is let; used in a way that does not depend on the machine."""
    wait_until(lambda: not (FOLDER / "loading").exists())
    loaded = load(bundle, choice, max_batch)
    fixed = dataclasses.replace(loaded.measurement, slots=1, buckets=(1, 2), p99={1: 1.0, 2: 1.0})
    return dataclasses.replace(loaded, engine=Held(loaded.engine), measurement=fixed)


def create_held(settings: Settings) -> Predictor:
    """Make the predictor of the service."""
    bundle = load_bundle(settings.model)
    deadline = settings.deadline_ms / 1000
    return Predictor(bundle, choose_engine(bundle), deadline=deadline, load=load_held)


if __name__ == "__main__":
    main.create_predictor = create_held
    cli()
