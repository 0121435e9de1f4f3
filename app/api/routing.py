"""Routes as HTTP wants them, where FastAPI stops short."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter


class Router(APIRouter):
    """A router that answers HEAD wherever it answers GET (RFC 9110, 9.3.2)."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Add a route, and one for HEAD beside GET; the server leaves the body out."""
        super().add_api_route(path, endpoint, **options)
        if options["methods"] == ["GET"]:
            head = options | {"methods": ["HEAD"], "include_in_schema": False}
            super().add_api_route(path, endpoint, **head)
