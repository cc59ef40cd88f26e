"""The SMS provider of the local stack: it takes messages as docs/campaign-channels.md has it, keeps and shows them.

What it does is in the last digits of the number: `BEHAVIOURS`. Mounted by the mail sink's page at `/sms`.
"""

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from deploy.local.process import PRIVATE_FILE, private_folder

PAGE_SIZE = 100
MAX_BODY_BYTES = 64 * 1024
SILENCE_SECONDS = 60
TOKEN = "local"  # noqa: S105 - the sink listens to this machine alone, and asks for some token
# By the end of a number: the status, and the error, that it is answered with. A campaign has to cope with all of them.
BEHAVIOURS = {
    "0001": (503, "busy"),
    "0002": (422, "text_refused"),
    "0003": (422, "invalid_number"),
    "0005": (429, "too_many"),
    "0006": (402, "no_credit"),
    "0007": (422, "opted_out"),
}
SILENT = "0004"  # kept, and then nothing is answered: the sender cannot know

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class Sms:
    """One message that was kept; `key` is its idempotency key."""

    id: int
    key: str
    received_at: str
    to: str
    text: str
    journey: str = ""


class SmsSink:
    """Keeps messages in the append-only `DIR/sms.ndjson`, fsynced before they are acknowledged. A key is kept once."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._file = -1
        self.messages: list[Sms] = []
        self._by_key: dict[str, Sms] = {}

    def open(self) -> None:
        """Go on where it was; a line without its end is dropped."""
        private_folder(self._data)
        path = self._data / "sms.ndjson"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        content = path.read_bytes()
        end = content.rfind(b"\n") + 1
        os.ftruncate(self._file, end)
        for line in content[:end].splitlines():
            self._note(Sms(**json.loads(line)))

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def keep(self, key: str, to: str, text: str, journey: str) -> Sms:
        """Keep a message, once a key; what is kept."""
        if key in self._by_key:
            return self._by_key[key]
        message = Sms(len(self.messages) + 1, key, datetime.now(UTC).isoformat(), to, text, journey)
        os.write(self._file, json.dumps(asdict(message), ensure_ascii=False).encode() + b"\n")
        os.fsync(self._file)
        self._note(message)
        return message

    def _note(self, message: Sms) -> None:
        self.messages.append(message)
        self._by_key[message.key] = message


def create_app(sink: SmsSink) -> Starlette:
    """`POST /messages` as a provider has it; the page at `/`, and `GET /api/messages`."""

    async def send(request: Request) -> Response:
        if request.headers.get("Authorization", "") != f"Bearer {TOKEN}":
            return _error(401, "bad_token", "send the token of the account")
        content = await request.body()
        try:
            body = json.loads(content[:MAX_BODY_BYTES])
            key, to, text = request.headers["Idempotency-Key"], body["to"], body["text"]
        except (ValueError, LookupError, TypeError):
            return _error(400, "bad_request", "send Idempotency-Key, and JSON with to and text")
        if not isinstance(to, str) or not isinstance(text, str) or not text:
            return _error(422, "bad_request", "to and text must be texts")
        if to[-4:] in BEHAVIOURS:
            status, error = BEHAVIOURS[to[-4:]]
            return _error(status, error, f"{to} is answered so")
        kept = sink.keep(key, to, text, request.headers.get("X-Rapport-Journey", ""))
        if to.endswith(SILENT):
            await asyncio.sleep(SILENCE_SECONDS)
        return JSONResponse({"id": kept.id}, 202)

    async def index(_: Request) -> Response:
        rows = "".join(
            f"<tr><td>{escape(one.received_at[:19])}</td><td>{escape(one.to)}</td><td>{escape(one.text)}</td>"
            f"<td>{escape(one.journey)}</td></tr>"
            for one in reversed(sink.messages[-PAGE_SIZE:])
        )
        head = f'<meta charset=utf-8><title>SMS</title><link rel=icon href="data:,"><style>{STYLE}</style>'
        table = f"<table><tr><th>Received (UTC)</th><th>To</th><th>Text</th><th>Journey</th></tr>{rows}</table>"
        body = f"<h1>SMS</h1><p>{len(sink.messages)} kept</p>{table if rows else '<p>No SMS yet.</p>'}"
        return HTMLResponse(
            f"<!doctype html><html lang=en><head>{head}</head><body>{body}</body></html>",
            headers={"Content-Security-Policy": POLICY},
        )

    async def list_messages(_: Request) -> Response:
        return JSONResponse({"messages": [asdict(one) for one in sink.messages]})

    return Starlette(
        routes=[
            Route("/", index),
            Route("/messages", send, methods=["POST"]),
            Route("/api/messages", list_messages),
        ]
    )


def _error(status: int, error: str, message: str) -> Response:
    return JSONResponse({"error": error, "message": message}, status)
