"""One visitor with a browser of their own: the pages they see, what those send, and what goes wrong in them."""

import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Request, Response, async_playwright

from deploy.local.process import LOOPBACK
from tests.browser.shop import HOST
from tests.browser.sources import Source
from tests.support.running import eventually

DEADLINE_MILLISECONDS: Final = 30_000
LATER: Final = "/v1/rapport.js?later"
HIDE: Final = """
    Object.defineProperty(document, "hidden", {get: () => true, configurable: true});
    document.dispatchEvent(new Event("visibilitychange", {bubbles: true}));
"""
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {HOST} {LOOPBACK}",
)


class Visit:
    """A page in a fresh profile: no cookies, nothing stored."""

    def __init__(self, context: BrowserContext, page: Page, ingest: str) -> None:
        self.context = context
        self.page = page
        self.ingest = ingest
        self.sent: list[dict[str, Any]] = []
        """The batches that were sent, also those that nobody answered, as they were sent."""
        self.statuses: list[int] = []
        """How batches were answered."""
        self.kinds: list[str] = []
        """By what means they were sent: `fetch`, or `ping`, which is a beacon."""
        self.errors: list[str] = []
        """What was thrown into the page and not caught there."""
        self._open: set[Request] = set()
        context.on("request", self._began)
        context.on("requestfinished", self._ended)
        context.on("requestfailed", self._ended)
        context.on("response", self._answered)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _began(self, request: Request) -> None:
        if request.method == "POST" and request.url.startswith(self.ingest):
            self._open.add(request)
            self.sent.append(json.loads(request.post_data or "null"))
            self.kinds.append(request.resource_type)

    def _ended(self, request: Request) -> None:
        self._open.discard(request)

    def _answered(self, response: Response) -> None:
        if response.request.method == "POST" and response.url.startswith(self.ingest):
            self.statuses.append(response.status)

    @property
    def message_ids(self) -> list[list[str]]:
        """The message ids of each batch, or single event, that was sent."""
        return [[message["messageId"] for message in body.get("batch", [body])] for body in self.sent]

    @property
    def sent_at(self) -> list[float]:
        """When each batch was sent by the page's clock, in milliseconds."""
        return [datetime.fromisoformat(batch["sentAt"]).timestamp() * 1_000 for batch in self.sent]

    async def see(self, address: str) -> None:
        """Returns when the page and its scripts are there."""
        await self.page.goto(address)

    async def do(self, script: str) -> Any:
        """What a script comes to in the page."""
        return await self.page.evaluate(script)

    async def hide(self) -> None:
        """Returns when the page has heard that it is hidden, and what it sent at that is in `sent`.

        Playwright tells of requests in their order, but not of those that a page sends while it is left.
        """
        await self.page.evaluate(HIDE)
        address = self.ingest + LATER
        async with self.page.expect_request(lambda request: request.url == address):
            await self.page.evaluate("address => fetch(address).then(answer => answer.text())", address)

    async def stored(self) -> Mapping[str, str]:
        """What the page's origin has stored."""
        found: dict[str, str] = await self.page.evaluate("({...localStorage})")
        return found

    async def until_sent(self, batches: int) -> None:
        """Returns when so many were sent, and each was answered or had failed.

        What a test says of `sent` comes after this: events may be on the bus before Playwright tells of their request.
        """

        async def now() -> tuple[int, int]:
            return len(self.sent), len(self._open)

        await eventually(now, lambda found: found[0] >= batches and not found[1])


def snippet(visit: Visit, source: Source, **attributes: str) -> str:
    """The tag with which a page loads the snippet for this source."""
    spelt = "".join(f' data-{name}="{value}"' for name, value in attributes.items())
    return f'<script async src="{visit.ingest}/v1/rapport.js" data-write-key="{source.write_key}"{spelt}></script>'


def chromium() -> str:
    """Where Debian's Chromium is; fails where it is not."""
    found = shutil.which("chromium")
    if found is None:
        pytest.fail("Chromium is missing: apt install chromium", pytrace=False)
    return found


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(browser: Browser, ingest: str) -> AsyncIterator[Visit]:
    """A visitor inside the block; afterwards nothing must have been thrown into a page."""
    context = await browser.new_context(locale="en-GB", timezone_id="Europe/Vienna")
    context.set_default_timeout(DEADLINE_MILLISECONDS)
    try:
        visit = Visit(context, await context.new_page(), ingest)
        yield visit
        assert visit.errors == []
    finally:
        await context.close()
