"""The page `/docs` needs nothing but itself, and problems lead to it."""

import base64
import hashlib
from html.parser import HTMLParser

import pytest

from app.api.problems import all_problems
from app.api.schemas import NOTICE
from tests.api.conftest import Client


class Page(HTMLParser):
    """Collects what a page refers to, and its identifiers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.ids: list[str] = []
        self.style = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self._inside = tag
        for name, value in attrs:
            assert not name.startswith("on")
            if name in {"href", "src", "action"}:
                self.links.add(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_data(self, data: str) -> None:
        """Note a style sheet."""
        if self._inside == "style":
            self.style += data
            self._inside = ""


@pytest.fixture
async def page(client: Client) -> Page:
    return Page((await client.get("/docs")).text)


def test_no_scripts_and_nothing_from_elsewhere(page: Page) -> None:
    assert not page.tags & {"script", "iframe", "object", "link", "img", "base"}
    outside = {link for link in page.links if not link.startswith("#")}
    assert outside == {"openapi.json"}
    assert "@import" not in page.style
    assert "url(" not in page.style


async def test_policy_allows_the_style_of_the_page_alone(client: Client, page: Page) -> None:
    policy = (await client.get("/docs")).headers["Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")


def test_problem_types_are_places_on_the_page(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert {f"/docs#{name}" for name in page.ids} >= {kind.type() for kind in all_problems()}
    assert {link.removeprefix("#") for link in page.links if link[0] == "#"} <= set(page.ids)


async def test_text(client: Client) -> None:
    answer = await client.get("/docs")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert NOTICE in answer.text
    assert "curl -F file=@image.jpg http://service/predict -o mask.png" in answer.text
    for path in ("/predict/overlay", "/health/ready", "/model/card"):
        assert f"<code>{path}</code>" in answer.text
    assert "`" not in answer.text


async def test_address_is_escaped(client: Client) -> None:
    answer = await client.get("/docs", headers={"Host": "<script>x"})
    assert "<script>" not in answer.text


async def test_root_leads_to_the_page(client: Client) -> None:
    answer = await client.get("/")
    assert answer.status_code == 307
    assert answer.headers["Location"] == "docs"
    assert (await client.get("/", follow_redirects=True)).status_code == 200
