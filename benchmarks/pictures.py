"""The JPEG files that every measurement sends; drawn, so that nobody's picture is needed."""

from app.imaging import phantom_jpeg

SIZES = {"384x288": (288, 384), "720x576": (576, 720), "1920x1080": (1080, 1920)}
"""Name to height and width, from a capsule's frame to a video frame."""

SCENES = 4


def scenes(size: str) -> list[bytes]:
    """Return the pictures of a size, several, so that no answer can be kept and given again."""
    return [phantom_jpeg(*SIZES[size], seed=scene) for scene in range(SCENES)]
