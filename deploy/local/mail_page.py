"""The mail sink's page and JSON API."""

import json
from dataclasses import asdict
from datetime import datetime
from email.message import EmailMessage
from html import escape
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from deploy.local import sms_sink
from deploy.local.mail_sink import MailSink, Message, parse
from deploy.local.sms_sink import SmsSink

PAGE_SIZE = 50
MAX_LIMIT = 10_000
MAX_DELAY_MILLISECONDS = 60_000
# A mail is a stranger's HTML: no script, no form, nothing loaded from elsewhere; links open outside.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
MAIL_POLICY = f"sandbox {SANDBOX}; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
iframe { width: 100%; height: 70vh; border: 1px solid #8886; background: white; }
pre { white-space: pre-wrap; border: 1px solid #8886; padding: 1rem; }
.quiet { opacity: .7; }
"""


def create_app(sink: MailSink, sms: SmsSink | None = None) -> Starlette:
    """The page at `/`, and `/api/messages`, `/api/count`, `/api/answer-delay` and `/health/ready`; SMS at `/sms`."""

    def kept(request: Request) -> tuple[Message, EmailMessage]:
        for message in sink.messages:
            if message.id == request.path_params["id"]:
                content = sink.path(message.id).read_bytes()
                return message, parse(content)
        raise HTTPException(404, "no such message")

    async def index(request: Request) -> Response:
        before = _number(request, "before", 0)
        newest = [m for m in reversed(sink.messages) if not before or m.id < before][:PAGE_SIZE]
        rows = "".join(_row(message) for message in newest)
        older = f'<p><a href="/?before={newest[-1].id}">Older</a></p>' if len(newest) == PAGE_SIZE else ""
        table = f"<table><tr><th>Received</th><th>To</th><th>Subject</th></tr>{rows}</table>{older}"
        nothing = "<p>No mail yet.</p>"
        return _page("Mail", f"<h1>Mail</h1><p>{len(sink.messages)} kept</p>" + (table if newest else nothing))

    async def show(request: Request) -> Response:
        message, content = kept(request)
        html = content.get_body(("html",))
        source = f"/messages/{message.id}/html"
        text = f"<pre>{escape(_text(content.get_body(('plain',))))}</pre>"
        body = f'<iframe sandbox="{SANDBOX}" src="{source}" title="the mail"></iframe>' if html else text
        facts = {"From": message.mail_from, "To": ", ".join(message.rcpt), "Received": _time(message.received_at)}
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in {**facts, **message.rapport}.items()
        )
        links = f'<p><a href="/">All mail</a> · <a href="/messages/{message.id}/source">Source</a></p>'
        return _page(message.subject, f"{links}<h1>{escape(message.subject)}</h1><table>{rows}</table><br>{body}")

    async def show_html(request: Request) -> Response:
        _, content = kept(request)
        body = '<base target="_blank">' + _text(content.get_body(("html",)))
        return HTMLResponse(body, headers={"Content-Security-Policy": MAIL_POLICY, "Referrer-Policy": "no-referrer"})

    async def show_source(request: Request) -> Response:
        message, _ = kept(request)
        return PlainTextResponse(sink.path(message.id).read_bytes(), headers={"X-Content-Type-Options": "nosniff"})

    async def list_messages(request: Request) -> Response:
        limit = min(_number(request, "limit", 100), MAX_LIMIT)
        messages = sink.page(after=_number(request, "after", 0), limit=limit)
        return JSONResponse({"messages": [asdict(message) for message in messages]})

    async def delete_messages(_: Request) -> Response:
        sink.clear()
        return Response(status_code=204)

    async def count(_: Request) -> Response:
        return JSONResponse(sink.counts())

    async def set_answer_delay(request: Request) -> Response:
        sink.answer_delay_milliseconds = _milliseconds(await request.body())
        return Response(status_code=204)

    async def ready(_: Request) -> Response:
        return JSONResponse({"ready": True})

    return Starlette(
        routes=[
            Route("/", index),
            Route("/messages/{id:int}", show),
            Route("/messages/{id:int}/html", show_html),
            Route("/messages/{id:int}/source", show_source),
            Route("/api/messages", list_messages, methods=["GET"]),
            Route("/api/messages", delete_messages, methods=["DELETE"]),
            Route("/api/count", count),
            Route("/api/answer-delay", set_answer_delay, methods=["POST"]),
            Route("/health/ready", ready),
            *([Mount("/sms", sms_sink.create_app(sms))] if sms else []),
        ]
    )


def _number(request: Request, name: str, default: int) -> int:
    value = request.query_params.get(name, str(default))
    if not value.isdecimal():
        raise HTTPException(400, f"{name} is not a number")
    return int(value)


def _milliseconds(body: bytes) -> int:
    try:
        wanted = json.loads(body)["milliseconds"]
    except (ValueError, LookupError, TypeError):
        wanted = None
    if type(wanted) is not int or not 0 <= wanted <= MAX_DELAY_MILLISECONDS:
        raise HTTPException(400, f'send {{"milliseconds": n}} with n from 0 to {MAX_DELAY_MILLISECONDS}')
    return wanted


def _row(message: Message) -> str:
    journey = escape(message.rapport.get("x-rapport-journey", ""))
    subject = escape(message.subject) or "(no subject)"
    return (
        f'<tr><td class="quiet">{escape(_time(message.received_at))}</td><td>{escape(", ".join(message.rcpt))}</td>'
        f'<td><a href="/messages/{message.id}">{subject}</a> <span class="quiet">{journey}</span></td></tr>'
    )


def _time(received_at: str) -> str:
    return datetime.fromisoformat(received_at).strftime("%Y-%m-%d %H:%M:%S UTC")


def _text(part: Any) -> str:
    """The part's text; a wrong or unknown charset is no reason to show nothing."""
    if part is None:
        return ""
    payload = part.get_payload(decode=True) or b""
    try:
        return str(payload.decode(part.get_content_charset("utf-8"), errors="replace"))
    except LookupError:
        return str(payload.decode("utf-8", errors="replace"))


def _page(title: str, body: str) -> Response:
    # Without an icon of its own a browser would ask for one.
    head = f'<meta charset=utf-8><title>{escape(title)}</title><link rel=icon href="data:,"><style>{STYLE}</style>'
    return HTMLResponse(
        f"<!doctype html><html lang=en><head>{head}</head><body>{body}</body></html>",
        headers={"Content-Security-Policy": PAGE_POLICY},
    )
