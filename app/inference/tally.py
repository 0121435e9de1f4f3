"""What became of the requests and the batches, counted; metrics read it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Drop = Literal["cancelled", "expired", "rejected", "failed"]


@dataclass(slots=True)
class Tally:
    """Counts since the process started; they only ever grow.

    Attributes:
        batches: Batches that ran to their end, by number of members.
        dropped: Requests without an answer, by reason: the client left while queued, the deadline
            passed while queued, not admitted, or the engine failed.
        retried: Requests that ran once more, alone, because their batch failed.
        out_of_memory: Batches that did not fit into memory.
        engines_lost: Engines that hung or died.
    """

    batches: Counter[int] = field(default_factory=Counter)
    dropped: Counter[Drop] = field(default_factory=Counter)
    retried: int = 0
    out_of_memory: int = 0
    engines_lost: int = 0
