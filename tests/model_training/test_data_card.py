"""The figures of docs/data.md are those that the commands measure."""

from collections import Counter
from pathlib import Path

from app.imaging import read_header
from model_training.datasets import Frame, read_dataset
from model_training.splits import SPLITS, leakage, read_split

CARD = Path(__file__).parents[2] / "docs/data.md"


def table(header: str) -> list[list[str]]:
    """Return the rows of the table whose header row begins with some words."""
    lines = CARD.read_text().splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.startswith(f"| {header} |")]
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def pixel_range(frames: tuple[Frame, ...]) -> str:
    headers = [read_header(frame.image.read_bytes()) for frame in frames]
    sizes = sorted((h.width * h.height, f"{h.width}x{h.height}") for h in headers)
    low, high = sizes[0][1], sizes[-1][1]
    return low if low == high else f"{low} to {high}"


def test_frames_and_sizes(data: Path) -> None:
    datasets = ("cvc-clinicdb", "kvasir-seg", "negatives")
    read = [read_dataset(dataset, data, verify="headers").frames for dataset in datasets]
    measured = [[str(len(frames)), pixel_range(frames)] for frames in read]
    assert [row[1:3] for row in table("data set")] == measured
    videos = Counter(frame.sequence for frame in read[0])
    lengths = (
        f"in {len(videos)} video sequences of {min(videos.values())} to {max(videos.values())}"
    )
    assert lengths in table("data set")[0][3]


def test_sizes_of_the_splits(data: Path) -> None:
    splits = [read_split(name, data, verify="headers") for name in SPLITS]
    measured = [[s.name, *(str(len(frames)) for _, frames in s.roles())] for s in splits]
    assert [row[:4] for row in table("split | train")] == measured


def test_leakage_of_the_splits(data: Path) -> None:
    measured = []
    for name in SPLITS:
        rows = leakage(read_split(name, data, verify="headers"))
        tested = [row for row in rows if row.role == "test"]
        for dataset in sorted({row.dataset for row in tested}):
            train, both = [row for row in tested if row.dataset == dataset]
            assert (train.against, both.against) == (("train",), ("train", "validation"))
            counts = [train.frames, train.same_sequence, train.neighbour]
            counts += [both.same_sequence, both.neighbour]
            measured.append([name, dataset, *(str(count) for count in counts)])
    assert table("split | test frames of") == measured
