"""Pictures of frames with masks. They are clinical images and stay in the report folder."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from app.imaging import resize
from model_training.datasets.frame import Frame
from model_training.evaluation.predictions import predicted_mask
from model_training.evaluation.scoring import FrameScore

THUMBNAIL = 288
INK, FAINT = "#1f2937", "#6b7280"
# Inches on a page.
PICTURE, GAP, COLUMN_GAP, TITLE, HEADING, FOOTER = 1.9, 0.06, 0.3, 0.3, 0.25, 0.4
AGREES, EXTRA, MISSED = (255, 255, 255), (230, 120, 30), (50, 130, 230)


@dataclass(frozen=True, slots=True)
class Panel:
    """Pictures that stand side by side under one title.

    Attributes:
        title: One line.
        pictures: RGB uint8 `[H, W, 3]`, all of one shape.
    """

    title: str
    pictures: tuple[NDArray[np.uint8], ...]


def sample_panel(frame: Frame) -> Panel:
    """Show a frame and its mask."""
    return Panel(frame.key, (_thumbnail(frame.read_image()), _thumbnail(_grey(frame.read_mask()))))


def comparison_panel(frame: Frame, score: FrameScore) -> Panel:
    """Show a frame, its ground truth and what was predicted, coloured by agreement."""
    truth = frame.read_mask()
    pictures = (frame.read_image(), _grey(truth), agreement(predicted_mask(score), truth))
    area = score.mask.truth / (score.height * score.width)
    title = f"{frame.key}   Dice {score.mask.dice:.3f}   polyp {area:.1%}"
    return Panel(title, tuple(_thumbnail(picture) for picture in pictures))


def false_alarm_panel(frame: Frame, score: FrameScore) -> Panel:
    """Show a frame without a polyp and the mask that it got all the same."""
    mask = predicted_mask(score)
    area = score.mask.predicted / (score.height * score.width)
    pictures = (frame.read_image(), agreement(mask, np.zeros_like(mask)))
    return Panel(
        f"{frame.key}   marked {area:.1%}", tuple(_thumbnail(picture) for picture in pictures)
    )


def agreement(prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colour a prediction: white where it agrees, orange where it marks too much, blue for a miss.

    Args:
        prediction: `[H, W]`, anything but 0 is marked.
        truth: `[H, W]`, anything but 0 is polyp.

    Returns:
        RGB uint8 `[H, W, 3]`.
    """
    marked, polyp = prediction != 0, truth != 0
    picture = np.zeros((*truth.shape, 3), dtype=np.uint8)
    picture[marked & polyp] = AGREES
    picture[marked & ~polyp] = EXTRA
    picture[~marked & polyp] = MISSED
    return picture


def panel_page(
    panels: Sequence[Panel],
    headings: Sequence[str],
    *,
    columns: int = 2,
    legend: bool = False,
) -> Figure:
    """Draw panels in rows.

    Args:
        panels: At least one, all with as many pictures as there are headings.
        headings: One for each picture of a panel.
        columns: Panels in a row.
        legend: Explains the colours of `agreement`.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    shapes = [picture.shape for panel in panels for picture in panel.pictures]
    box_height = PICTURE * max(height / width for height, width, _ in shapes)
    cell_width = len(headings) * (PICTURE + GAP) + COLUMN_GAP
    cell_height = TITLE + box_height + HEADING
    footer = FOOTER if legend else GAP
    width, height = columns * cell_width + GAP, rows * cell_height + footer
    figure = Figure(figsize=(width, height), dpi=120)
    for place, panel in enumerate(panels):
        left = place % columns * cell_width + (GAP + COLUMN_GAP) / 2
        top = height - place // columns * cell_height - TITLE
        figure.text(
            left / width, (top + GAP) / height, panel.title, fontsize=9, color=INK, va="bottom"
        )
        for picture, heading in zip(panel.pictures, headings, strict=True):
            corner = (left / width, (top - box_height) / height)
            axis = figure.add_axes((*corner, PICTURE / width, box_height / height))
            axis.imshow(picture, interpolation="nearest")
            axis.set_anchor("N")
            axis.set_xlabel(heading, fontsize=7.5, color=FAINT, labelpad=2)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            left += PICTURE + GAP
    if legend:
        figure.legend(
            handles=[
                Patch(facecolor=[c / 255 for c in colour], edgecolor="#9ca3af", label=label)
                for colour, label in (
                    (AGREES, "agrees with the ground truth"),
                    (EXTRA, "marked, but no polyp"),
                    (MISSED, "polyp that was missed"),
                )
            ],
            loc="lower center",
            ncols=3,
            frameon=False,
            fontsize=9,
        )
    return figure


def _grey(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(mask[..., None], 3, axis=2)


def _thumbnail(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    scale = min(1.0, THUMBNAIL / max(height, width))
    return resize(picture, max(1, round(height * scale)), max(1, round(width * scale)))
