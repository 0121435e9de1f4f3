"""The real data, where a machine has it."""

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of the real data sets; skip where there is none."""
    folder = Path(os.environ.get("POLYPSEG_DATA", _DEFAULT))
    if not (folder / "cvc_clinicdb").is_dir():
        pytest.skip(f"no data sets in {folder}; POLYPSEG_DATA names another folder")
    return folder
