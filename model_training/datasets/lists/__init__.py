"""What is known about the frames by name: sequences, near duplicates, published test lists."""

import csv
from functools import cache
from importlib.resources import files


@cache
def clinicdb_sequences() -> dict[str, int]:
    """Map each of CVC-ClinicDB's 612 frame names to its video sequence, 1 to 29."""
    rows = _rows("clinicdb_sequences.csv")
    return {row["frame"]: int(row["sequence"]) for row in rows}


@cache
def kvasir_pairs() -> tuple[tuple[str, str], ...]:
    """List the pairs of Kvasir-SEG's frames that show one scene under two names."""
    rows = _rows("kvasir_pairs.csv")
    return tuple((row["image_a"], row["image_b"]) for row in rows)


@cache
def pranet_test_clinicdb() -> tuple[str, ...]:
    """Name the 62 test frames of CVC-ClinicDB in PraNet's split."""
    return tuple(_read("pranet_test_clinicdb.txt").split())


@cache
def pranet_test_kvasir() -> tuple[str, ...]:
    """Name the 100 test frames of Kvasir-SEG in PraNet's split."""
    return tuple(_read("pranet_test_kvasir.txt").split())


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text("utf-8")


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(_read(name).splitlines()))
