"""mosec: https://mosecorg.github.io/mosec/.

`python -m benchmarks.peers.mosecserver --port N --timeout MS`; a worker's limit follows that of a
request.
"""

from mosec import Server, Worker

from benchmarks.peers.work import WORKERS, load


class Polyps(Worker):
    """One process; bytes come in and go out as they are."""

    resp_mime_type = "image/png"

    def __init__(self) -> None:
        super().__init__()
        self.work = load()

    def deserialize(self, data: bytes) -> bytes:
        """Take the body as it is."""
        return data

    def serialize(self, data: bytes) -> bytes:
        """Send the PNG as it is."""
        return data

    def forward(self, data: bytes) -> bytes:
        """Mark polyps."""
        return self.work(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Polyps, num=WORKERS, route="/predict")
    server.run()
