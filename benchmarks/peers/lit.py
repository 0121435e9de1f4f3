"""LitServe: https://lightning.ai/docs/litserve/home/get-started, /features/parallelism."""

from typing import cast

import litserve
from fastapi import Request, Response
from starlette.datastructures import FormData, UploadFile

from benchmarks.peers.work import PATIENCE_S, PORT, WORKERS, Work, load


class Api(litserve.LitAPI):
    """One worker."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - there is one
        """Load the model."""
        self.work: Work = load()

    def decode_request(self, request: Request) -> bytes:
        """Take the file out of the form, which is what LitServe hands over."""
        form = cast(FormData, request)
        return cast(UploadFile, form["file"]).file.read()

    def predict(self, x: bytes) -> bytes:
        """Mark polyps."""
        return self.work(x)

    def encode_response(self, output: bytes) -> Response:
        """Answer with a picture."""
        return Response(output, media_type="image/png")


if __name__ == "__main__":
    server = litserve.LitServer(
        Api(), accelerator="cpu", workers_per_device=WORKERS, timeout=PATIENCE_S
    )
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="warning")
