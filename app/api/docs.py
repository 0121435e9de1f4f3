"""The page `/docs`: the OpenAPI description for people, without a single script."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any, Final

from fastapi import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from app.api.problems import MEDIA_TYPE, all_problems
from app.api.routing import Router
from app.api.schemas import NOTICE

router = Router(include_in_schema=False)

_STYLE: Final = (files("app.api") / "docs.css").read_text("utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'"
)
_CURL: Final = """\
# the mask, as a PNG of the size of the image
curl -F file=@image.jpg {address}/predict -o mask.png

# the mask as COCO run lengths, and its regions
curl -F file=@image.jpg -H 'Accept: application/json' {address}/predict

# the image with the contour of the mask; the image as the body itself
curl --data-binary @image.jpg -H 'Content-Type: image/jpeg' {address}/predict/overlay -o seen.png
"""


@router.get("/")
async def root() -> Response:
    """Lead people who come by to the documentation."""
    return RedirectResponse("docs")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Show the documentation."""
    address = str(request.base_url).rstrip("/")
    page = render_docs(request.app.openapi(), address)
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """Return the OpenAPI description."""
    return JSONResponse(request.app.openapi())


def render_docs(description: dict[str, Any], address: str) -> str:
    """Render an OpenAPI description as a page that needs nothing else.

    Args:
        description: The OpenAPI description.
        address: Where the service is, for the curl lines.
    """
    info = description["info"]
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(info["title"])}</title>
<style>{_STYLE}</style>
<h1>{escape(info["title"])} <small>{escape(info["version"])}</small></h1>
<p>{_prose(info["description"].removesuffix(NOTICE))}
<p class="notice"><strong>{escape(NOTICE)}</strong>
<p>For programs: <a href="openapi.json">openapi.json</a>
<pre>{escape(_CURL.format(address=address))}</pre>
<h2>Operations</h2>
{operations}
<h2>Problems</h2>
<p>Every error is an RFC 9457 problem document; its <code>code</code> is one of these.
{_problems()}
</html>
"""


def _prose(text: str) -> str:
    """Escape a text and show what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    return f"""<section id="{escape(operation["operationId"])}">
<h3><span class="method">{escape(method.upper())}</span> <code>{escape(path)}</code></h3>
<p>{_prose(operation["description"])}
{_table(_parameters(operation))}
{_table(_answers(operation))}
</section>
"""


def _parameters(operation: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for parameter in operation.get("parameters", ()):
        text = _prose(parameter["description"])
        yield "", f"<code>{escape(parameter['name'])}</code>", f"{parameter['in']}: {text}"


def _answers(operation: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, answer in sorted(operation["responses"].items()):
        for media_type, content in answer["content"].items():
            shown = _codes(content) if media_type == MEDIA_TYPE else _examples(content)
            yield "", f"{status} <code>{escape(media_type)}</code>", shown


def _codes(content: dict[str, Any]) -> str:
    return ", ".join(
        f'<a href="#{escape(code)}">{escape(code)}</a>' for code in content["examples"]
    )


def _examples(content: dict[str, Any]) -> str:
    named = {name: example.get("value") for name, example in content.get("examples", {}).items()}
    if "example" in content:
        named["example"] = content["example"]
    return "".join(
        f"<details><summary>{escape(name)}</summary><pre>{_text(value)}</pre></details>"
        for name, value in named.items()
        if value is not None
    )


def _text(example: Any) -> str:
    return escape(example if isinstance(example, str) else json.dumps(example))


@cache
def _problems() -> str:
    return _table(
        (
            f' id="{kind.code()}"',
            f"{kind.status} <code>{kind.code()}</code>",
            _prose(kind.__doc__ or ""),
        )
        for kind in all_problems()
    )


def _table(rows: Iterator[tuple[str, str, str]]) -> str:
    lines = "".join(f"<tr{tag}><td>{left}<td>{right}\n" for tag, left, right in rows)
    return f"<table>{lines}</table>" if lines else ""
