"""Another patient's polyp: what one frame shows, in the mucosa of another."""

from dataclasses import dataclass

import cv2
import numpy as np

from model_training.augmentation.pixels import Pixels

# Places that are tried, before an example stays as it is.
_TRIES = 8
# Of the square root of a polyp's area, around it: its edge, and the mucosa that it rises from.
_MARGIN = 0.2
# What has less red is no mucosa, but a border, a green inset or the depth of the bowel.
_LEAST_RED = 24


@dataclass(frozen=True, slots=True)
class Graft:
    """A polyp of another example, put into this one; the defaults leave everything as it is.

    A thousand frames show few polyps, and each in front of its own mucosa only. Frames without a
    polyp get some, too.

    References:
        Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance
        Segmentation", CVPR 2021; Pérez et al., "Poisson Image Editing", SIGGRAPH 2003 (the light
        and the colour around a polyp become those of its new place, so that no seam tells of it).

    Attributes:
        probability: That a polyp is put in, if the other example has one.
        scale_min: Smallest magnification; the scale is log-uniform.
        scale_max: Greatest magnification.
    """

    probability: float = 0.0
    scale_min: float = 1.0
    scale_max: float = 1.0

    def __call__(
        self,
        image: Pixels,
        mask: Pixels,
        donor: tuple[Pixels, Pixels],
        rng: np.random.Generator,
    ) -> tuple[Pixels, Pixels]:
        """Put what the other example shows somewhere into this one.

        Polyps that the edge or the border of their frame cuts are not taken, nor are those that
        find no place.

        Args:
            image: uint8 `[h, w, 3]`.
            mask: uint8 `[h, w]`, 0 or 1.
            donor: Image and mask of the other example, of the same shapes.
            rng: Source of all choices.

        Returns:
            Image and mask of the same shapes.
        """
        if self.probability == 0.0 or rng.random() >= self.probability:
            return image, mask
        cut = _cut(*self._turn(*donor, rng))
        if cut is None:
            return image, mask
        polyp, shape, near = cut
        rows, columns = shape.shape
        for _ in range(_TRIES):
            top = int(rng.integers(mask.shape[0] - rows + 1))
            left = int(rng.integers(mask.shape[1] - columns + 1))
            place = slice(top, top + rows), slice(left, left + columns)
            taken = np.any(mask[place] & (near > 0))  # a polyp upon another would be one polyp
            if not taken and _is_mucosa(image[place], near):
                image, mask = np.array(image), np.array(mask)
                image[place] = _blend(polyp, image[place], near)
                mask[place] |= shape
                break
        return image, mask

    def _turn(self, image: Pixels, mask: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Mirror, turn and scale about the centre; what `Geometry` does later is done to all."""
        height, width = mask.shape
        scale = float(np.exp(rng.uniform(np.log(self.scale_min), np.log(self.scale_max))))
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(0.0, 360.0), scale)
        step = -1 if rng.random() < 0.5 else 1
        size = (width, height)
        return (
            np.asarray(cv2.warpAffine(image[:, ::step], turn, size), np.uint8),
            np.asarray(
                cv2.warpAffine(mask[:, ::step], turn, size, flags=cv2.INTER_NEAREST), np.uint8
            ),
        )


def _cut(image: Pixels, mask: Pixels) -> tuple[Pixels, Pixels, Pixels] | None:
    """Return polyps with a pixel more than what is next to them, their mask, and what is next."""
    near = _surroundings(mask)
    x, y, columns, rows = cv2.boundingRect(near)
    height, width = mask.shape
    if x < 1 or y < 1 or x + columns >= width or y + rows >= height:
        return None  # there is none, or it may go on beyond the edge
    window = slice(y - 1, y + rows + 1), slice(x - 1, x + columns + 1)
    if not _is_mucosa(image[window], near[window]):
        return None
    return image[window], mask[window], near[window]


def _surroundings(shape: Pixels) -> Pixels:
    """Return the polyps and what is next to them: uint8 `[h, w]`, 0 or 255."""
    reach = max(round(_MARGIN * float(np.sqrt(np.count_nonzero(shape)))), 2)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(shape, disc) * np.uint8(255), np.uint8)


def _is_mucosa(image: Pixels, where: Pixels) -> bool:
    return bool(np.all(image[..., 0][where > 0] >= _LEAST_RED))


def _blend(source: Pixels, target: Pixels, where: Pixels) -> Pixels:
    rows, columns = where.shape
    middle = (columns // 2, rows // 2)
    # A copy: OpenCV draws into the mask that it is given.
    made = cv2.seamlessClone(source, target, where.copy(), middle, cv2.NORMAL_CLONE)
    return np.asarray(made, np.uint8)
