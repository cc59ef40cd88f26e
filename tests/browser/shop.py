"""A shop's pages, served from an origin of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

from deploy.local.process import LOOPBACK

HOST: Final = "shop.example"  # the browser is told that this is the loopback address
POLL_SECONDS: Final = 0.05
TYPES: Final = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
NO_FILES: Final = Path("/nonexistent")


class Shop:
    """Serves each path with the page that a test gave it, and `/files/` from a folder."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.files = NO_FILES
        self._pages: dict[str, str] = {}

    @property
    def origin(self) -> str:
        """Where the shop is. Browsers do not hold it for secure: it has no TLS, and is not this machine by its name."""
        return f"http://{HOST}:{self.port}"

    def show(self, path: str, head: str, *, title: str = "Tea") -> str:
        """Serves a page with this in its head from now on; returns its address."""
        self._pages[path] = f"<!doctype html><html><head><title>{title}</title>{head}</head><body>tea</body></html>"
        return self.origin + path

    def found(self, target: str) -> tuple[bytes, str] | None:
        """What stands at this address, and its type."""
        path = target.partition("?")[0]
        if path in self._pages:
            return self._pages[path].encode(), TYPES[".html"]
        file = self.files / path.removeprefix("/files/")
        if path.startswith("/files/") and ".." not in path and file.is_file():
            return file.read_bytes(), TYPES.get(file.suffix, "application/octet-stream")
        return None


@contextmanager
def open_shop() -> Iterator[Shop]:
    """A shop that serves inside the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content, type_ = shop.found(self.path) or (b"", TYPES[".html"])
            self.send_response(HTTPStatus.OK if content else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", type_)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        server.daemon_threads = True
        shop = Shop(server.server_port)
        serving = Thread(target=server.serve_forever, args=(POLL_SECONDS,))
        serving.start()
        try:
            yield shop
        finally:
            server.shutdown()
            serving.join()
