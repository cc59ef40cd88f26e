"""Answers that the server itself gives, before any application sees the request: RFC 9457 problems that end the
connection."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

PROBLEM_BASE: Final = "https://rapport.example/problems/"
RETRY_AFTER_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request, or a connection, is not served; `reason` is its name in the metrics."""

    reason: str
    answer: bytes


class Refused(Exception):
    """Raised where a refusal is found. One is made for each: an exception keeps what it was raised from."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def _refusal(status: HTTPStatus, reason: str, detail: str) -> Refusal:
    slug = status.phrase.lower().replace(" ", "-")
    problem = {"type": PROBLEM_BASE + slug, "title": status.phrase, "status": status, "detail": detail}
    body = json.dumps(problem).encode()
    retry = f"retry-after: {RETRY_AFTER_SECONDS}\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "content-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\n"
        "cache-control: no-store\r\n"
        "x-content-type-options: nosniff\r\n"
        f"{retry}"
        "connection: close\r\n\r\n"
    )
    return Refusal(reason, head.encode() + body)


MALFORMED: Final = _refusal(HTTPStatus.BAD_REQUEST, "malformed", "the request is not HTTP/1.1")
HOST: Final = _refusal(HTTPStatus.BAD_REQUEST, "host", "an HTTP/1.1 request has exactly one Host header")
LINE_TOO_LONG: Final = _refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "request_line", "the request line is too long")
HEADERS_TOO_LARGE: Final = _refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers", "the headers are too many or too long"
)
BODY_TOO_LARGE: Final = _refusal(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body", "the body is larger than this address takes"
)
SLOW_HEADERS: Final = _refusal(HTTPStatus.REQUEST_TIMEOUT, "slow_headers", "the headers took too long")
SLOW_BODY: Final = _refusal(HTTPStatus.REQUEST_TIMEOUT, "slow_body", "the body comes too slowly")
ALL_CONNECTIONS: Final = _refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "connections", "there are too many connections; try again later"
)
ADDRESS_CONNECTIONS: Final = _refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "address_connections", "there are too many connections from this address"
)
PIPELINED: Final = _refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "pipelined", "too many requests were sent without waiting for an answer"
)
