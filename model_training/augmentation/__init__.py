"""Augmentation of training examples: what other patients, cameras and recorders would show."""

from model_training.augmentation.augmentation import Augmentation
from model_training.augmentation.colour import Colour
from model_training.augmentation.geometry import Geometry
from model_training.augmentation.mapping import as_map, generator
from model_training.augmentation.optics import Optics
from model_training.augmentation.presets import AUGMENTATIONS, ROBUST
from model_training.augmentation.signal import Signal

__all__ = [
    "AUGMENTATIONS",
    "ROBUST",
    "Augmentation",
    "Colour",
    "Geometry",
    "Optics",
    "Signal",
    "as_map",
    "generator",
]
