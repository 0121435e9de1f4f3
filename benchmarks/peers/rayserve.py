"""Ray Serve: https://docs.ray.io/en/latest/serve/advanced-guides/dyn-req-batch.html."""

import signal
import threading

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from benchmarks.peers.work import PATIENCE_S, PORT, WORKERS, load


@serve.deployment(
    num_replicas=WORKERS,
    ray_actor_options={"num_cpus": 1},
    max_ongoing_requests=4,
    max_queued_requests=64,
)
class Polyps:
    """One replica."""

    def __init__(self) -> None:
        self.work = load()

    @serve.batch(max_batch_size=2, batch_wait_timeout_s=0.0)
    async def mark(self, pictures: list[bytes]) -> list[bytes]:
        """Mark polyps in a batch."""
        return [self.work(picture) for picture in pictures]

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        return Response(await self.mark(await request.body()), media_type="image/png")


if __name__ == "__main__":
    ray.init(num_cpus=WORKERS + 1, include_dashboard=False, logging_level="error")
    serve.start(
        http_options={"host": "127.0.0.1", "port": PORT, "request_timeout_s": PATIENCE_S},
        logging_config={"enable_access_log": False, "log_level": "ERROR"},
    )
    serve.run(
        Polyps.bind(),  # type: ignore[attr-defined]
        route_prefix="/predict",
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stop.wait()
    serve.shutdown()
    ray.shutdown()
