"""Augmentations by name."""

from dataclasses import replace

from model_training.augmentation.augmentation import Augmentation
from model_training.augmentation.colour import Colour
from model_training.augmentation.geometry import Geometry
from model_training.augmentation.graft import Graft
from model_training.augmentation.optics import Optics
from model_training.augmentation.scene import Scene
from model_training.augmentation.signal import Signal
from model_training.augmentation.surround import Surround

ROBUST = Augmentation(
    geometry=Geometry(
        flip=0.5,
        probability=0.9,
        rotation=180.0,
        scale_min=0.6,
        scale_max=1.6,
        aspect=1.3,
        shear=0.12,
        translation=0.1,
        perspective=0.12,
        elastic=0.012,
    ),
    scene=Scene(
        illumination=0.2,
        illumination_strength=0.35,
        highlights=0.15,
        highlights_size=0.016,
        cutouts=0.1,
        cutouts_size=0.14,
    ),
    colour=Colour(
        probability=0.85,
        exposure=0.5,
        brightness=0.06,
        contrast=1.25,
        gamma=1.3,
        saturation=0.4,
        hue=8.0,
        white_balance=0.25,
        cast=0.05,
        cast_strength=0.5,
        narrow_band=0.03,
    ),
    optics=Optics(blur=0.2, blur_size=0.014, fringes=0.05, fringes_size=0.02),
    signal=Signal(
        resample=0.15,
        resample_min=0.35,
        noise=0.2,
        noise_deviation=12.0,
        interlace=0.02,
        interlace_shift=0.02,
        sharpen=0.1,
        sharpen_amount=1.2,
        jpeg=0.3,
        jpeg_quality_min=25,
        jpeg_quality_max=90,
    ),
    surround=Surround(border=0.2, border_size=0.22, inset=0.08, inset_size=0.3, text=0.08),
)
"""For networks that must work in hospitals and with cameras that no training frame comes from."""

MODERATE = Augmentation(
    geometry=Geometry(
        flip=0.5,
        probability=0.75,
        rotation=180.0,
        scale_min=0.75,
        scale_max=1.35,
        aspect=1.15,
        shear=0.06,
        translation=0.06,
        perspective=0.06,
        elastic=0.006,
    ),
    scene=Scene(
        illumination=0.1,
        illumination_strength=0.2,
        highlights=0.08,
        highlights_size=0.012,
        cutouts=0.05,
        cutouts_size=0.1,
    ),
    colour=Colour(
        probability=0.6,
        exposure=0.3,
        brightness=0.04,
        contrast=1.15,
        gamma=1.15,
        saturation=0.25,
        hue=5.0,
        white_balance=0.15,
        cast=0.02,
        cast_strength=0.3,
        narrow_band=0.015,
    ),
    optics=Optics(blur=0.1, blur_size=0.01, fringes=0.02, fringes_size=0.012),
    signal=Signal(
        resample=0.08,
        resample_min=0.5,
        noise=0.1,
        noise_deviation=8.0,
        interlace=0.01,
        interlace_shift=0.012,
        sharpen=0.05,
        sharpen_amount=0.8,
        jpeg=0.15,
        jpeg_quality_min=40,
        jpeg_quality_max=90,
    ),
    surround=Surround(border=0.1, border_size=0.18, inset=0.04, inset_size=0.25, text=0.04),
)
"""To end with: what it leaves plain is plain enough to be fitted as it is."""

CAMERAS = replace(MODERATE, colour=ROBUST.colour, optics=ROBUST.optics, signal=ROBUST.signal)
"""To end with for other cameras: shapes as in `MODERATE`, light and focus as in `ROBUST`."""

PATIENTS = replace(CAMERAS, graft=Graft(probability=0.8, scale_min=0.35, scale_max=1.2))
"""For few patients: as `CAMERAS`, and polyps of one in the mucosa of another."""

AUGMENTATIONS = {
    "none": Augmentation(),
    "moderate": MODERATE,
    "cameras": CAMERAS,
    "patients": PATIENTS,
    "robust": ROBUST,
}
