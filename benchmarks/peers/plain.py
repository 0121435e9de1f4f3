"""Plain FastAPI: `uvicorn benchmarks.peers.plain:app --workers N`.

https://fastapi.tiangolo.com/tutorial/request-files/ and /deployment/server-workers/
"""

from typing import Annotated

from fastapi import FastAPI, File, Response

from benchmarks.peers.work import load

work = load()
app = FastAPI()


@app.post("/predict")
def predict(file: Annotated[bytes, File()]) -> Response:
    """Answer from a thread of the pool, since the work blocks."""
    return Response(work(file), media_type="image/png")
