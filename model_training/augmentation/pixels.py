"""The type of images, uint8 `[h, w, 3]` in RGB, and of masks, uint8 `[h, w]`."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
