"""The model card: what a bundle is for, what it was made from, and how well it does."""

from app.inference.bundle import Manifest, TrainingRun

VALIDATION = "validation"
"""The entry of a manifest's metrics that `export` writes: what was fitted, and how well."""
OPERATING_POINT = "operating_point"
"""The training setting that names the bundle whose operating point was taken over."""
MODEL_TIME = "model_time"
"""The entry that `benchmarks.model_time` writes: the time of one image against a baseline."""

_HEADLINES = {
    "dice": "Dice",
    "iou": "IoU",
    "recall": "recall",
    "precision": "precision",
    "pooled_dice": "pooled Dice",
    "operating_dice": "Dice at the operating threshold",
    "threshold_mean_dice": "Dice over 256 thresholds",
    "ece": "calibration error",
    "missed_rate": "frames whose polyp is missed",
    "false_alarm_rate": "false alarms",
    "operating_false_alarm_rate": "false alarms at the operating threshold",
    "tutorial_dice": "tutorial's Dice",
    "tutorial_recall": "tutorial's recall",
    "tutorial_precision": "tutorial's precision",
}


def model_card(manifest: Manifest) -> str:
    """Write the card of a bundle.

    Reference: Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.

    Args:
        manifest: Of the bundle.

    Returns:
        Markdown.
    """
    training = manifest.training
    parity = manifest.parity_on("cpu")
    compared = (
        f"On {parity.frames} frames the probabilities of ONNX Runtime and TensorFlow differ by at "
        f"most {parity.max_abs_difference:.1e}, and {_disagreement(parity.mask_disagreement)}."
        if parity
        else "The engines were not compared."
    )
    return f"""# Model card: {manifest.name} {manifest.version}

**Research use only. Not a medical device.**

## Model

Marks polyps in single colonoscopy frames, one class, one probability for each pixel.
Architecture `{training.settings.get("architecture", training.recipe)}`,
{manifest.parameters:,} parameters, {manifest.gflop} GFLOP for an image of
{manifest.input_width}x{manifest.input_height} pixels. {compared}

{_operating_point(manifest)}

## Intended use

Research and education: studying segmentation, building viewers, comparing models. Not for
diagnosis, not for deciding on treatment, not for use during an examination.

## Training data

Split `{training.split}`: {len(training.train_frames)} frames trained the weights,
{_held_out(training)} ({_datasets(training.train_frames)}
in training). Recipe `{training.recipe}`, seed {training.seed}, code
`{training.commit[:12]}`, data `{training.data_hash[:12]}`. `manifest.json` names every frame and
every setting.{_start(training)}

## Figures

{_figures(manifest)}
{_time(manifest)}
Intervals are 95 %: bootstrap intervals, drawn by video sequence, and Wilson's of rates.
`docs/evaluation.md` defines every figure. In the `tutorial` and `pranet` splits nearly every test
frame of CVC-ClinicDB has a neighbour of the same video among the frames that trained or validated
(`docs/data.md` counts them), so these figures say little about a new patient.

## Failure cases
{_failures(manifest)}
`polypseg evaluate` draws the ten worst frames of each protocol with truth and prediction, and the
frames without a polyp on which most was marked. These are clinical images: they stay in its report
folder, out of the repository.

## Limits

- Trained on frames of a few hospitals and cameras, nearly all of which show a polyp: on other
  cameras, poor preparation, blood, instruments or normal mucosa it marks what is not there and
  misses what is.
- Flat and very small polyps are the hardest.
- A frame is judged alone; nothing is known of the video around it.

## Licence

The weights are for research and education only, as the terms of the data say: CVC-ClinicDB
("completely restricted for research and educational purposes [...] forbidden for commercial
purposes"; Bernal et al., Computerized Medical Imaging and Graphics 43, 2015) and Kvasir-SEG
(commercial use needs prior permission; Jha et al., MMM 2020). The code is Apache-2.0.
"""


def _disagreement(fraction: float) -> str:
    return f"{fraction:.1e} of the mask's pixels" if fraction else "the masks in no pixel"


def _held_out(training: TrainingRun) -> str:
    if not training.validation_frames:
        return "none were held out: those that chose the settings trained as well"
    return f"{len(training.validation_frames)} were held out to choose by"


def _start(training: TrainingRun) -> str:
    """Name the bundle whose weights a run went on from."""
    start = training.settings.get("start")
    return (
        f" The run went on from the weights of an earlier bundle, whose\nmanifest has the SHA-256 "
        f"`{str(start)[:12]}`, trained on these frames or a part of\nthem."
        if start
        else ""
    )


def model_time(figures: dict[str, float]) -> str:
    """Say what `benchmarks.model_time` recorded, in one sentence."""
    return (
        f"One image takes ONNX Runtime on {figures['threads']:.0f} cores {figures['ms']:.1f} ms, "
        f"{figures['ratio']:.3f} ({figures['ratio_low']:.3f} to {figures['ratio_high']:.3f}) of "
        f"the {figures['baseline_ms']:.1f} ms that the tutorial's SavedModel takes TensorFlow, "
        "interleaved in one run."
    )


def _datasets(keys: tuple[str, ...]) -> str:
    names = [key.split("/")[0] for key in keys]
    counted = (f"{names.count(name)} of {name}" for name in dict.fromkeys(names))
    return ", ".join(counted) or "none"


def _operating_point(manifest: Manifest) -> str:
    smallest = (
        f"regions under {manifest.min_area} pixels are removed"
        if manifest.min_area
        else "no region is removed"
    )
    point = (
        f"Operating threshold {manifest.threshold:g}, temperature {manifest.temperature:g}, "
        f"{smallest}."
    )
    if manifest.cropped:
        point = f"A frame is cut to its field of view first: black borders go. {point}"
    figures = manifest.metrics.get(VALIDATION)
    if figures is None:
        return f"{point} {_taken_over(manifest.training)}"
    text = (
        f"{point} They were fitted on the {figures['frames']:.0f} validation frames, "
        f"{figures['negatives']:.0f} of them without a polyp. The temperature brings the "
        f"calibration error there from {figures['ece_before']:.3f} to {figures['ece']:.3f}; "
        "threshold and smallest region stay at 0.5 and 0 unless others are clearly better."
    )
    for name, label in (("dice", "Dice"), ("false_alarm_rate", "false alarms")):
        if name in figures:
            fitted = figures[f"operating_{name}"]
            text += f" On these frames: {label} {figures[name]:.3f} at 0.5, {fitted:.3f} as fitted."
    return text


def _taken_over(training: TrainingRun) -> str:
    """Say where an operating point is from that was not fitted on this network's own frames."""
    source = training.settings.get(OPERATING_POINT)
    if not source:
        return "They were not fitted."
    return (
        "They were fitted for an earlier bundle, whose manifest\nhas the SHA-256 "
        f"`{str(source)[:12]}`, on frames that were held out from it and trained these weights."
    )


def _failures(manifest: Manifest) -> str:
    lines = [
        f"- `{protocol}`: Dice {figures['smallest_quarter_dice']:.3f} on the quarter of the frames "
        f"with the smallest polyps, {figures['dice']:.3f} on all."
        for protocol, figures in manifest.metrics.items()
        if "smallest_quarter_dice" in figures
    ]
    return "\n".join(["", *lines, ""]) if lines else ""


def _time(manifest: Manifest) -> str:
    figures = manifest.metrics.get(MODEL_TIME)
    return f"\n{model_time(figures)}\n" if figures else ""


def _figures(manifest: Manifest) -> str:
    lines = ["| protocol | frames | figure | value | 95 % interval |", "|---|---|---|---|---|"]
    for protocol, figures in manifest.metrics.items():
        if protocol in (VALIDATION, MODEL_TIME):
            continue
        for name, label in _HEADLINES.items():
            if name in figures:
                ends = figures.get(f"{name}_low"), figures.get(f"{name}_high")
                interval = f"{ends[0]:.3f} to {ends[1]:.3f}" if None not in ends else ""
                frames = f"{figures['frames']:.0f}" if "frames" in figures else ""
                lines.append(
                    f"| {protocol} | {frames} | {label} | {figures[name]:.4f} | {interval} |"
                )
    return "\n".join(lines) if lines[2:] else "Not evaluated yet: run `polypseg evaluate`."
