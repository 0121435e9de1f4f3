"""Headers that say which model answers; the same on every answer of a process."""

from app.api.schemas import ModelId
from app.inference.bundle import Bundle


def model_id(bundle: Bundle) -> ModelId:
    """Return what the JSON answers say about the model."""
    manifest = bundle.manifest
    return ModelId(name=manifest.name, version=manifest.version, sha256=bundle.sha256)


def identity_headers(bundle: Bundle) -> dict[str, str]:
    """Return what the headers say about the model."""
    return {
        "X-Model": f"{bundle.manifest.name}/{bundle.manifest.version}",
        "X-Model-Sha256": bundle.sha256,
    }
