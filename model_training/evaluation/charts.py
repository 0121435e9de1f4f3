"""Charts of scores and of a training run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from model_training.evaluation.calibration import (
    CONFIDENCE,
    PIXELS,
    POLYP,
    expected_calibration_error,
)
from model_training.evaluation.groups import polyp_share, quarters
from model_training.evaluation.history import CURVES, History
from model_training.evaluation.scoring import FrameScore

BLUE, ORANGE, INK, GREY = "#2b6ca3", "#d9661f", "#1f2937", "#9ca3af"


def dice_histogram(scores: Sequence[FrameScore]) -> Figure:
    """Draw how many frames got which Dice, with mean and median."""
    dice = np.array([score.mask.dice for score in scores])
    figure, axis = _single(6.4, 3.6)
    axis.hist(dice, bins=np.linspace(0, 1, 21), color=BLUE, edgecolor="white", linewidth=0.8)
    for value, name, style in ((dice.mean(), "mean", "-"), (np.median(dice), "median", "--")):
        axis.axvline(value, color=ORANGE, linestyle=style, label=f"{name} {value:.3f}")
    axis.set(xlim=(0, 1), xlabel="Dice of a frame", ylabel="frames")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def dice_by_area(scores: Sequence[FrameScore]) -> Figure:
    """Draw the Dice of each frame against its polyp's area, with the means of four quarters."""
    parts = [
        # A logarithm needs one pixel at least.
        np.array([(max(polyp_share(s), 1 / (s.height * s.width)), s.mask.dice) for s in part])
        for part in quarters(scores)
        if part
    ]
    area, dice = np.concatenate(parts).T
    figure, axis = _single(6.4, 3.8)
    axis.scatter(area, dice, s=18, color=BLUE, alpha=0.65, linewidth=0, zorder=2)
    for place, quarter in enumerate(parts):
        mean = quarter[:, 1].mean()
        axis.plot(
            quarter[[0, -1], 0],
            [mean, mean],
            color=ORANGE,
            linewidth=2.5,
            solid_capstyle="round",
            label="mean of a quarter of the frames" if place == 0 else None,
            zorder=3,
        )
    axis.set(
        xscale="log",
        xlim=(0.7 * area.min(), 1.4 * area.max()),
        ylim=(-0.03, 1.03),
        xlabel="polyp area, % of the frame",
        ylabel="Dice of the frame",
    )
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.legend(
        frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0
    )
    return figure


def reliability(scores: Sequence[FrameScore]) -> Figure:
    """Draw the share of polyp among pixels of like probability, near the polyps."""
    bins = np.array([score.calibration for score in scores]).sum(axis=0)
    filled = bins[PIXELS] > 0
    pixels = bins[PIXELS][filled]
    confidence, polyp = bins[CONFIDENCE][filled] / pixels, bins[POLYP][filled] / pixels
    figure, axis = _single(4.6, 4.2)
    axis.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="calibrated")
    axis.plot(confidence, polyp, color=BLUE, linewidth=1.5, zorder=2)
    axis.scatter(
        confidence,
        polyp,
        s=20 + 380 * pixels / pixels.sum(),
        color=BLUE,
        edgecolor="white",
        linewidth=0.8,
        label=f"measured, ECE {expected_calibration_error(bins):.3f}",
        zorder=3,
    )
    axis.set(
        xlim=(-0.04, 1.04),
        ylim=(-0.04, 1.04),
        xlabel="probability",
        ylabel="share of polyp pixels",
        aspect="equal",
    )
    axis.legend(frameon=False, fontsize=9, loc="upper left", markerscale=0.6)
    return figure


def learning_curves(history: History) -> Figure:
    """Draw the course of a run: loss, Dice, recall, precision, learning rate and time."""
    epochs = [epoch + 1 for epoch in history["epoch"]]
    figure = Figure(figsize=(10.5, 5.6), dpi=120, layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    marker = "o" if len(epochs) == 1 else None
    for axis, name in zip(axes, CURVES, strict=False):
        _style(axis)
        axis.plot(epochs, history[name], color=BLUE, marker=marker, label="training")
        if held_out := history.get(f"val_{name}"):
            axis.plot(epochs, held_out, color=ORANGE, marker=marker, label="validation")
        axis.set_title(name.capitalize(), loc="left", fontsize=10, color=INK)
        if name != "loss":
            axis.set_ylim(0, 1)
    axes[0].legend(frameon=False, fontsize=9)
    for axis, name, title in (
        (axes[4], "learning_rate", "Learning rate"),
        (axes[5], "seconds", "Seconds an epoch"),
    ):
        _style(axis)
        axis.plot(epochs, history[name], color=INK, marker=marker)
        axis.set_title(title, loc="left", fontsize=10, color=INK)
    axes[4].set_yscale("log")
    axes[5].set_ylim(bottom=0)
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.supxlabel("epoch", fontsize=9, color=INK)
    return figure


def _single(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    axis = figure.subplots()
    _style(axis)
    return figure, axis


def _style(axis: Any) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(GREY)
    axis.tick_params(colors=INK, labelsize=8.5)
    for label in (axis.xaxis.label, axis.yaxis.label):
        label.set(fontsize=9.5, color=INK)
    axis.grid(visible=True, color="#e5e7eb", linewidth=0.8)
    axis.set_axisbelow(True)
