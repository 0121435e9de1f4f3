"""Augmentation of training examples: what other patients, cameras and recorders would show."""

from model_training.augmentation.augmentation import Augmentation
from model_training.augmentation.colour import Colour
from model_training.augmentation.geometry import Geometry
from model_training.augmentation.graft import Graft
from model_training.augmentation.mapping import as_map, generator
from model_training.augmentation.optics import Optics
from model_training.augmentation.presets import AUGMENTATIONS, CAMERAS, MODERATE, PATIENTS, ROBUST
from model_training.augmentation.scene import Scene
from model_training.augmentation.signal import Signal
from model_training.augmentation.surround import Surround

__all__ = [
    "AUGMENTATIONS",
    "CAMERAS",
    "MODERATE",
    "PATIENTS",
    "ROBUST",
    "Augmentation",
    "Colour",
    "Geometry",
    "Graft",
    "Optics",
    "Scene",
    "Signal",
    "Surround",
    "as_map",
    "generator",
]
