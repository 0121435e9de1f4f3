"""The chain from a training example to another one that could have been recorded."""

from dataclasses import dataclass, field

import numpy as np

from model_training.augmentation.colour import Colour
from model_training.augmentation.geometry import Geometry
from model_training.augmentation.graft import Graft
from model_training.augmentation.optics import Optics
from model_training.augmentation.pixels import Pixels
from model_training.augmentation.scene import Scene
from model_training.augmentation.signal import Signal
from model_training.augmentation.surround import Surround


@dataclass(frozen=True, slots=True)
class Augmentation:
    """A chain of stages in the order in which an endoscope would cause them.

    `Augmentation()` changes nothing; `ROBUST` is meant for training. Lengths are fractions of a
    side, so that one setting means the same at every input size.

    Attributes:
        graft: A polyp of another example; needs one.
        geometry: Flips and the warp; the only stage that moves the mask.
        scene: Uneven light, highlights, things in front of the mucosa.
        colour: Lamp, white balance and tone curve.
        optics: Blur and colour fringes.
        signal: Resolution, noise, fields, sharpening; JPEG comes last of all.
        surround: Borders, insets, text; cuts out of the mask what it covers.
    """

    graft: Graft = field(default_factory=Graft)
    geometry: Geometry = field(default_factory=Geometry)
    scene: Scene = field(default_factory=Scene)
    colour: Colour = field(default_factory=Colour)
    optics: Optics = field(default_factory=Optics)
    signal: Signal = field(default_factory=Signal)
    surround: Surround = field(default_factory=Surround)

    def __call__(
        self,
        image: Pixels,
        mask: Pixels,
        rng: np.random.Generator,
        donor: tuple[Pixels, Pixels] | None = None,
    ) -> tuple[Pixels, Pixels]:
        """Make another example of an example; the inputs are not changed.

        Args:
            image: uint8 `[h, w, 3]`, RGB.
            mask: uint8 `[h, w]`, 0 or 1.
            rng: Source of all choices: equal generators give equal examples.
            donor: Image and mask of another example, of the same shapes, that `graft` takes from.

        Returns:
            Image and mask of the same shapes, types and ranges, contiguous in memory.
        """
        if donor is not None:
            image, mask = self.graft(image, mask, donor, rng)
        image, mask = self.geometry(image, mask, rng)
        image = self.scene(image, rng)
        image = self.colour(image, rng)
        image = self.optics(image, rng)
        image = self.signal.degrade(image, rng)
        image, mask = self.surround(image, mask, rng)
        image = self.signal.compress(image, rng)
        return np.ascontiguousarray(image), np.ascontiguousarray(mask)
