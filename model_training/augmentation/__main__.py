"""`python -m model_training.augmentation`: draw the picture page and print what a call costs."""

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console

from app.imaging import ImageError, decode
from model_training.augmentation.page import Example, draw_page, measure, phantoms
from model_training.augmentation.presets import AUGMENTATIONS
from model_training.datasets import working_size


def page(
    images: Annotated[
        list[Path] | None, typer.Argument(help="Frames; generated phantoms where there are none.")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of masks named as the frames, with any suffix.")
    ] = None,
    preset: Annotated[str, typer.Option(help=f"One of: {', '.join(AUGMENTATIONS)}.")] = "robust",
    rows: Annotated[int, typer.Option(min=1, help="Phantoms to show.")] = 6,
    columns: Annotated[int, typer.Option(min=1, help="Pictures in a row.")] = 8,
    size: Annotated[int, typer.Option(min=16, help="Height and width of each picture.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another page.")] = 0,
    calls: Annotated[int, typer.Option(min=1, help="Calls to time.")] = 400,
    out: Annotated[Path, typer.Option(help="The page, a PNG.")] = Path("augmentation.png"),
) -> None:
    """Show what an augmentation does: each row has an example first, then what is made of it."""
    console = Console()
    if preset not in AUGMENTATIONS:
        raise typer.BadParameter(f"--preset is {preset!r}; there are: {', '.join(AUGMENTATIONS)}.")
    try:
        examples = (
            [_read(path, masks, size) for path in images] if images else phantoms(rows, size, size)
        )
    except (ImageError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    drawn = draw_page(examples, AUGMENTATIONS[preset], columns=columns, seed=seed)
    out.write_bytes(cv2.imencode(".png", drawn[..., ::-1])[1].tobytes())
    timing = measure(AUGMENTATIONS[preset], examples[0], calls=calls)
    console.print(
        f"{out}: {len(examples)} x {columns} pictures. One call: median {timing.median:.1f} ms, "
        f"mean {timing.mean:.1f} ms, 95th percentile {timing.slowest:.1f} ms.",
        soft_wrap=True,
    )


def _read(path: Path, masks: Path | None, size: int) -> Example:
    image = decode(path.read_bytes()).pixels
    mask = np.zeros(image.shape[:2], np.uint8)
    if masks is not None:
        named = sorted(masks.glob(f"{path.stem}.*"))
        if not named:
            raise FileNotFoundError(f"{masks} has no mask named {path.stem}.*")
        mask = decode(named[0].read_bytes()).pixels[..., 0]
    image, mask = working_size(image, mask, size, size)
    return image, np.asarray(mask // 255, np.uint8)


if __name__ == "__main__":
    typer.run(page)
