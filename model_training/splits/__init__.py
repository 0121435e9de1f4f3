"""Splits of the data sets: reproducible, hashed, and honest about what they leak."""

from model_training.splits.kvasir import kvasir
from model_training.splits.leakage import Leakage, leakage
from model_training.splits.named import SPLITS, read_split
from model_training.splits.negatives import add_negatives
from model_training.splits.pranet import pranet
from model_training.splits.sequence import sequence
from model_training.splits.split import FULL, ROLES, Role, Split, SplitError
from model_training.splits.tutorial import tutorial

__all__ = [
    "FULL",
    "ROLES",
    "SPLITS",
    "Leakage",
    "Role",
    "Split",
    "SplitError",
    "add_negatives",
    "kvasir",
    "leakage",
    "pranet",
    "read_split",
    "sequence",
    "tutorial",
]
