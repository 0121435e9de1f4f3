"""The inference service: images in, polyp masks out."""

import os
import sys
import time

__version__ = "0.1.0"

# Before the imports that take long: `ready` tells how long everything took.
STARTED = time.monotonic()

# Every way in passes here, before a library can fail for a reason that says less.
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    raise SystemExit(
        f"polypseg needs Python 3.11, 3.12 or 3.13; this is {sys.version_info[0]}."
        f"{sys.version_info[1]}. Make an environment with one of them: python3.12 -m venv .venv"
    )

# Official builds of ONNX Runtime send usage data to their maker unless told not to before they are
# imported. Nothing may leave a service that sees images of patients.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
