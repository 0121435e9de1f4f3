"""From an encoded image to a probability map: bundle, engines, batcher, predictor."""

from app.inference.bundle import (
    Bundle,
    BundleError,
    Manifest,
    Parity,
    TrainingRun,
    hash_files,
    load_bundle,
)
from app.inference.engine import Engine, EngineError, OutOfMemory
from app.inference.errors import (
    DeadlineExceeded,
    Draining,
    EngineLost,
    NotReady,
    QueueFull,
    Refused,
    StartError,
)
from app.inference.health import Health, State
from app.inference.picture import Finished
from app.inference.pipeline import View, at_source, predict_image
from app.inference.prediction import Prediction
from app.inference.predictor import Predictor, Slot
from app.inference.selection import (
    Choice,
    Selection,
    SelectionError,
    choose_engine,
    load_engine,
    select_engine,
)

__all__ = [
    "Bundle",
    "BundleError",
    "Choice",
    "DeadlineExceeded",
    "Draining",
    "Engine",
    "EngineError",
    "EngineLost",
    "Finished",
    "Health",
    "Manifest",
    "NotReady",
    "OutOfMemory",
    "Parity",
    "Prediction",
    "Predictor",
    "QueueFull",
    "Refused",
    "Selection",
    "SelectionError",
    "Slot",
    "StartError",
    "State",
    "TrainingRun",
    "View",
    "at_source",
    "choose_engine",
    "hash_files",
    "load_bundle",
    "load_engine",
    "predict_image",
    "select_engine",
]
