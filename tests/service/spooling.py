"""What the service must not do: keeps uploads as Starlette's own form parser keeps them.

Starlette hands each part to an `UploadFile` over a `SpooledTemporaryFile`, which moves to disk
when it grows over `spool_max_size`. Its parser needs a package that is not installed here, so that
the parts are cut by the one that is, and kept in Starlette's classes.
"""

import socket
import sys
from tempfile import SpooledTemporaryFile

import uvicorn
from multipart import PushMultipartParser, parse_options_header  # type: ignore[import-untyped]
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Take one upload and answer with its size."""
    request = Request(scope, receive)
    _, options = parse_options_header(request.headers["content-type"])
    with SpooledTemporaryFile(max_size=MultiPartParser.spool_max_size) as file:
        upload = UploadFile(file, size=0)  # type: ignore[arg-type]
        with PushMultipartParser(options["boundary"]) as parser:
            async for chunk in request.stream():
                if chunk:
                    for event in parser.parse(chunk):
                        if isinstance(event, (bytes, bytearray)):
                            await upload.write(bytes(event))
        await PlainTextResponse(str(upload.size))(scope, receive, send)


if __name__ == "__main__":
    config = uvicorn.Config(app, lifespan="off", log_level="error", ws="none")
    uvicorn.Server(config).run([socket.socket(fileno=int(sys.argv[1]))])
