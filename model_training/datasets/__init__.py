"""Readers of public colonoscopy data sets."""

from model_training.datasets.checking import require_sound
from model_training.datasets.clinicdb import read_clinicdb
from model_training.datasets.collection import read_dataset, read_frames
from model_training.datasets.content import hash_frames
from model_training.datasets.frame import Frame
from model_training.datasets.kvasir import read_kvasir
from model_training.datasets.negatives import read_negatives
from model_training.datasets.reading import DatasetError, Fault, MissingDataset, Reading, Verify
from model_training.datasets.working_size import working_mask, working_size

__all__ = [
    "DatasetError",
    "Fault",
    "Frame",
    "MissingDataset",
    "Reading",
    "Verify",
    "hash_frames",
    "read_clinicdb",
    "read_dataset",
    "read_frames",
    "read_kvasir",
    "read_negatives",
    "require_sound",
    "working_mask",
    "working_size",
]
