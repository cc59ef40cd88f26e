"""The documentation of every service, and the page of mails, in Chromium that reaches nothing but these."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Final

import aiosmtplib
import httpx2
import pytest
from playwright.async_api import Browser, Page, Route, expect

from deploy.local.mail_page import create_app
from deploy.local.mail_sink import MailSink
from deploy.local.process import LOOPBACK, free_port
from tests.badinput.server import served
from tests.browser.sources import Source
from tests.browser.visit import DEADLINE_MILLISECONDS
from tests.support.applications import NOWHERE, SERVICES

ANSWERED: Final = ".live-responses-table tbody .response-col_status"
SHUT: Final = re.compile(r".*")


@dataclass
class Reader:
    """A page that reaches one origin; what it asked of others, and what went wrong in it, is written down."""

    page: Page
    left: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@asynccontextmanager
async def reading(
    browser: Browser, base: str, answer: Callable[[Route], Awaitable[None]] | None = None
) -> AsyncIterator[Reader]:
    """A reader inside the block; afterwards nothing must have left, and nothing gone wrong.

    Requests to `base` go there, or to `answer`.
    """
    context = await browser.new_context(locale="en-GB", viewport={"width": 1200, "height": 1600})
    context.set_default_timeout(DEADLINE_MILLISECONDS)
    try:
        reader = Reader(await context.new_page())

        async def gate(route: Route) -> None:
            address = route.request.url
            if address.startswith(f"{base}/"):
                await (route.continue_() if answer is None else answer(route))
                return
            reader.left.append(address)
            await route.abort()

        await context.route(SHUT, gate)
        reader.page.on("pageerror", lambda error: reader.errors.append(str(error)))
        reader.page.on(
            "console",
            lambda message: reader.errors.append(message.text) if message.type in ("error", "warning") else None,
        )
        yield reader
        assert reader.left == []
        assert reader.errors == []
    finally:
        await context.close()


@pytest.fixture(params=SERVICES)
def base(request: pytest.FixtureRequest) -> Iterator[str]:
    """A service whose database is away: its documentation needs none."""
    with served(request.param, NOWHERE) as address:
        yield address


async def test_the_documentation_shows_every_operation_with_the_network_shut(browser: Browser, base: str) -> None:
    async with reading(browser, base) as reader:
        page = reader.page
        await page.goto(f"{base}/")
        await page.get_by_role("link", name="docs").click()
        operations = page.locator(".opblock")
        document = await page.evaluate("fetch('openapi.json').then(answer => answer.json())")
        wanted = sum(len(methods) for methods in document["paths"].values())
        await expect(operations).to_have_count(wanted, timeout=DEADLINE_MILLISECONDS)
        await page.locator(".opblock-summary", has_text="/health/live").click()
        await page.get_by_role("button", name="Try it out").click()
        await page.get_by_role("button", name="Execute").click()
        await expect(page.locator(ANSWERED)).to_contain_text("200", timeout=DEADLINE_MILLISECONDS)


async def test_a_write_key_given_at_authorize_sends_the_example_of_a_route(
    browser: Browser, ingest: str, source: Source
) -> None:
    """On a typed route and on a tracking route, with the example as it stands."""
    async with reading(browser, ingest) as reader:
        page = reader.page
        await page.goto(f"{ingest}/docs")
        await page.locator(".auth-wrapper .authorize").first.click()
        dialog = page.locator(".auth-container", has_text="writeKey  (http, Basic)")
        await dialog.get_by_label("Username").fill(source.write_key)
        await dialog.get_by_role("button", name="Apply credentials").click()
        await page.locator(".close-modal").click()
        for path, status in (("/v1/page-views", "202"), ("/v1/track", "200")):
            block = page.locator(".opblock", has=page.locator(f'[data-path="{path}"]'))
            await block.locator(".opblock-summary-control").click()
            await block.get_by_role("button", name="Try it out").click()
            await block.get_by_role("button", name="Execute").click()
            await expect(block.locator(ANSWERED)).to_contain_text(status, timeout=DEADLINE_MILLISECONDS)


async def test_the_page_of_mails_shows_one_with_the_network_shut(browser: Browser, tmp_path: Path) -> None:
    sink = MailSink(tmp_path, free_port())
    await sink.start()
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "hello@shop.example", "ann@example.com", "你好, Ann"
    mail.set_content("Hello")
    mail.add_alternative("<h1>Hello, Ann</h1>", subtype="html")
    await aiosmtplib.send(mail, hostname=LOOPBACK, port=sink.port, start_tls=False)
    transport = httpx2.ASGITransport(app=create_app(sink))

    async def answer(route: Route) -> None:
        async with httpx2.AsyncClient(transport=transport) as client:
            got = await client.get(route.request.url)
        await route.fulfill(status=got.status_code, headers=dict(got.headers), body=got.content)

    async with reading(browser, "http://mail.example", answer) as reader:
        await reader.page.goto("http://mail.example/")
        await reader.page.get_by_role("link", name="你好, Ann").click()
        await expect(reader.page.frame_locator("iframe").get_by_role("heading")).to_have_text("Hello, Ann")
    await sink.stop()
