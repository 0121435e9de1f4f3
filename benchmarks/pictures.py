"""The JPEG files that every measurement sends; drawn, so that nobody's picture is needed."""

import cv2

from app.imaging import phantom

SIZES = {"384x288": (288, 384), "720x576": (576, 720), "1920x1080": (1080, 1920)}
"""Name to height and width, from a capsule's frame to a video frame."""

SCENES = 4


def jpeg(height: int, width: int, scene: int = 0) -> bytes:
    """Draw a picture and compress it as an endoscope's recorder would."""
    image, _ = phantom(height, width, seed=scene)
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    return data.tobytes()


def scenes(size: str) -> list[bytes]:
    """Return the pictures of a size, several, so that no answer can be kept and given again."""
    return [jpeg(*SIZES[size], scene) for scene in range(SCENES)]
