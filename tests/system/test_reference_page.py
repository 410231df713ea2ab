"""docs/asyncapi.html: links lead somewhere, it can be read in light and dark, and it works in a browser."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from agent.contract.asyncapi import asyncapi
from agent.contract.reference import DOCS
from tests.system.studio_parts import chromium

PAGE = DOCS / "asyncapi.html"
HTML = PAGE.read_text(encoding="utf-8")
AA = 4.5


class Collected(HTMLParser):
    """Ids, links, and whatever else would be fetched; tags that stay open."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.styled: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "br", "input"}:
            self.open.append(tag)
        for key, value in attributes:
            if key == "id":
                self.ids.append(value or "")
            elif key == "href" and tag == "a":
                self.links.append(value or "")
            elif key in {"href", "src", "srcset", "action"}:
                self.fetched.append(value or "")
            elif key == "style" or key.startswith("on"):
                self.styled.append(key)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_link_leads_somewhere_and_nothing_is_fetched() -> None:
    page = Collected()
    page.feed(HTML)
    assert not page.open
    assert len(page.ids) == len(set(page.ids))
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    outside = {link for link in page.links if not link.startswith("#")}
    assert outside == {"asyncapi.yaml", "mqtt.md"}
    assert all((DOCS / name).exists() for name in outside)
    assert page.fetched == []
    assert page.styled == [], "the policy of the page forbids them"


def test_everything_in_the_document_is_on_the_page() -> None:
    document = asyncapi()
    for name, channel in document["channels"].items():
        assert f'id="channel-{name}"' in HTML
        assert channel["address"] in HTML
    for name, schema in document["components"]["schemas"].items():
        article = HTML.split(f'<article id="schema-{name}"')[1].split("</article>")[0]
        assert re.findall(r"<dt><code>(.*?)</code>", article) == list(schema.get("properties", {}))
    assert HTML.count("<summary>Example</summary>") == sum(
        len(message.get("examples", ()))
        for channel in document["channels"].values()
        for message in channel["messages"].values()
    )


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrast(theme: int) -> None:
    colours = {
        name: pair[theme] for name, *pair in re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\)", HTML)
    }
    for text in ("text", "muted", "accent", "out", "in"):
        for ground in ("bg", "surface", "raised"):
            assert contrast(colours[text], colours[ground]) >= AA, (text, ground)


def contrast(one: str, other: str) -> float:
    """By the formula of WCAG 2."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        page = browser.new_page()  # what the browser starts for its first page stays as long as it does
        page.goto(PAGE.as_uri())
        page.close()
        yield browser
        browser.close()


@pytest.mark.parametrize(
    ("width", "height", "scheme"), [(1280, 900, "light"), (1280, 900, "dark"), (360, 740, "light")]
)
def test_filter_keys_and_links(
    browser: Browser, width: int, height: int, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.goto(PAGE.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(251, 251, 250)") == (scheme == "light"), "the style is applied"

    page.keyboard.press("/")
    page.keyboard.type("SnapshotTake draw")
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^\d of \d+$"))
    taken = page.locator("#channel-snapshot_take")
    expect(taken).to_be_visible()
    expect(page.locator("#channel-status")).to_be_hidden()
    taken.get_by_role("link", name="Request", exact=True).click()
    expect(page.locator("#schema-Request"), "a link to what is hidden shows it").to_be_in_viewport()
    expect(page.get_by_label("Filter")).to_have_value("")

    example = taken.locator("details").first
    example.locator("summary").press("Enter")
    expect(example.locator("pre")).to_be_visible()
    assert told == []
    context.close()
