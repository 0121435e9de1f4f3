"""What a video processor draws around the field of view: borders, insets and text."""

from dataclasses import dataclass

import cv2
import numpy as np

from model_training.augmentation.pixels import Pixels


@dataclass(frozen=True, slots=True)
class Surround:
    """Borders, insets and text of other cameras; the defaults leave everything as it is.

    Attributes:
        border: Probability that the field of view is cut to a circle, an octagon, a rounded
            rectangle or a rectangle, off centre, with a dark border around it.
        border_size: Greatest width of the border at any side, as a fraction of that side.
        inset: Probability of a panel in a corner: the shape of the instrument, or a second view.
        inset_size: Greatest side of the panel, as a fraction of the image's.
        text: Probability of burnt-in lines of text beside the field, over it at worst.
    """

    border: float = 0.0
    border_size: float = 0.0
    inset: float = 0.0
    inset_size: float = 0.0
    text: float = 0.0

    def __call__(
        self, image: Pixels, mask: Pixels, rng: np.random.Generator
    ) -> tuple[Pixels, Pixels]:
        """Draw around and over the image; what a border or an inset covers leaves the mask.

        Text is thin, and nobody cuts it out of a mask.

        Args:
            image: uint8 `[h, w, 3]`.
            mask: uint8 `[h, w]`.
            rng: Source of all choices.

        Returns:
            Image and mask of the same shapes.
        """
        bordered, inset, written = rng.random(3) < (self.border, self.inset, self.text)
        if bordered:
            image, mask = _cover(image, mask, self._field(mask.shape, rng), rng)
        if inset:
            image, mask = self._add_inset(image, mask, rng)
        if written:
            image = _write(image, rng)
        return image, mask

    def _field(self, shape: tuple[int, ...], rng: np.random.Generator) -> Pixels:
        """Draw the field of view: uint8 `[h, w]`, 255 inside."""
        height, width = shape
        left, right = rng.uniform(0.0, self.border_size, 2) * width
        top, bottom = rng.uniform(0.0, self.border_size, 2) * height
        field = np.zeros((height, width), np.uint8)
        centre = (left + width - right) / 2, (top + height - bottom) / 2
        size = width - right - left, height - bottom - top
        kind = int(rng.integers(4))
        if kind == 0:
            # A circle that the sides of the sensor cut, as a rule.
            grown = rng.uniform(1.0, 1.3)
            cv2.ellipse(field, (centre, (size[0] * grown, size[1] * grown), 0.0), 255, -1)
            return field
        # Corners cut at 45 degrees (octagon) or round; not cut at all for the rectangle.
        cut = (0.0, rng.uniform(0.1, 0.3), rng.uniform(0.06, 0.2), 0.0)[kind] * min(size)
        steps = np.linspace(0.0, np.pi / 2, 2 if kind == 1 else 7)
        corner = (np.stack((np.cos(steps), np.sin(steps)), axis=1) - 1.0) * cut
        half = np.array(size) / 2
        outline = np.concatenate(
            [
                ((corner if sx * sy > 0 else corner[::-1]) + half) * (sx, sy) + centre
                for sx, sy in ((1, 1), (-1, 1), (-1, -1), (1, -1))
            ]
        )
        cv2.fillConvexPoly(field, np.rint(outline).astype(np.int32), 255)
        return field

    def _add_inset(
        self, image: Pixels, mask: Pixels, rng: np.random.Generator
    ) -> tuple[Pixels, Pixels]:
        height, width = mask.shape
        rows, columns = (rng.uniform(0.4, 1.0, 2) * self.inset_size * (height, width)).astype(int)
        if rows < 1 or columns < 1:
            return image, mask
        low, right = rng.random(2) < (0.75, 0.25)  # lower left in most systems
        window = (
            slice(height - rows, height) if low else slice(0, rows),
            slice(width - columns, width) if right else slice(0, columns),
        )
        image, mask = np.array(image), np.array(mask)
        panel = np.zeros((rows, columns, 3), np.uint8)
        kind = int(rng.integers(3))
        if kind == 1:
            green = rng.uniform(90.0, 200.0)
            panel[:] = (0, int(green), int(green * rng.uniform(0.2, 0.7)))
        elif kind == 2:
            small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
            panel = np.asarray(small, np.uint8)
        image[window], mask[window] = panel, 0
        return image, mask


def _cover(
    image: Pixels, mask: Pixels, field: Pixels, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    black = int(rng.integers(1, 28)) if rng.random() < 0.4 else 0
    seen = cv2.copyTo(image, field, np.full_like(image, black))
    return np.asarray(seen, np.uint8), np.asarray(cv2.bitwise_and(mask, field), np.uint8)


def _write(image: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = image.shape[:2]
    image = np.array(image)
    scale = rng.uniform(0.28, 0.5) * min(height, width) / 256
    colour = ((255, 255, 255), (210, 210, 210), (255, 230, 90))[int(rng.integers(3))]
    x = (0.02 if rng.random() < 0.7 else 0.72) * width
    y = rng.uniform(0.08, 0.8) * height
    for line in range(int(rng.integers(1, 6))):
        text = "".join(rng.choice(list("ABDEMNRSTX0123456789/: .-"), int(rng.integers(3, 11))))
        place = (int(x), int(y + 38 * scale * line))
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
    return image
