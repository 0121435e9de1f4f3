"""MLServer: https://mlserver.readthedocs.io/en/latest/user-guide/custom.html.

`mlserver start FOLDER`, where the folder holds `settings.json` and `model-settings.json`.
"""

import asyncio
import base64

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from benchmarks.peers.work import load


class Polyps(MLModel):
    """One model, loaded by each worker."""

    async def load(self) -> bool:
        """Load the model."""
        self.work = load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Mark polyps; bytes are base64 in the protocol's JSON."""
        text = payload.inputs[0].data.root[0]
        picture = base64.b64decode(text)
        mask = await asyncio.to_thread(self.work, picture)
        output = ResponseOutput(
            name="mask", shape=[1], datatype="BYTES", data=[base64.b64encode(mask).decode()]
        )
        return InferenceResponse(model_name=self.name, outputs=[output])
