"""A server for one person on one machine: it answers on 127.0.0.1 alone, reads alone, and knows only what is listed.

There is no way from an address to a file: ``report.html?id=<entry>`` is looked up among the entries that were found
under the folder. Requests whose ``Host`` is another are refused, so that no site can reach it under a name of
its own that is bound to 127.0.0.1. A report is sent with a policy that makes it a stranger to this server.
"""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from imprint.models.errors import ImprintError
from imprint.reports.viewer.listing import Listing, live
from imprint.reports.viewer.page import link, page
from imprint.reports.viewer.reports import report_of

ADDRESS = "127.0.0.1"
USUAL = 8517
"""Port that is tried first."""
STRANGER = "sandbox allow-scripts allow-downloads allow-popups"
"""Policy of reports: they may run their own scripts, as of no origin."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
HTML, JSON = "text/html; charset=utf-8", "application/json"


class Server(ThreadingHTTPServer):
    """Serves one listing."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, listing: Listing, port: int | None = None) -> None:
        """``port``: this very one, 0 for any; by default :data:`USUAL`, or any when that is taken."""
        self.listing = listing
        self.drawing = threading.Lock()
        try:
            super().__init__((ADDRESS, USUAL if port is None else port), Handler)
        except OSError as error:
            if port is not None:
                raise ImprintError(f"port {port} cannot be used: {error.strerror}. Leave --port out for any.") from None
            super().__init__((ADDRESS, 0), Handler)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_address[1]}/"

    @property
    def hosts(self) -> set[str]:
        """What ``Host`` may be."""
        return {f"{name}:{self.server_address[1]}" for name in (ADDRESS, "localhost")}


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server
    server_version, sys_version = "imprint", ""
    timeout = 60

    def do_GET(self) -> None:
        """Send the page, what it asks for, or a report."""
        self._answer(send=True)

    def do_HEAD(self) -> None:
        """Send what GET would, without its content."""
        self._answer(send=False)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: addresses hold names of runs."""

    def _answer(self, *, send: bool) -> None:
        if self.headers.get("Host", "") not in self.server.hosts:
            self._send(
                HTTPStatus.MISDIRECTED_REQUEST, "text/plain; charset=utf-8", b"This is not my name.\n", send=send
            )
            return
        address = urlsplit(self.path)
        asked = next(iter(parse_qs(address.query).get("id", [])), "")
        if address.path == "/":
            self._send(HTTPStatus.OK, HTML, self._page(), send=send)
        elif address.path == "/live.json":
            self._send(HTTPStatus.OK, JSON, _json(live(self.server.listing.entries())), send=send)
        elif address.path == "/entry.json":
            self._entry(asked, send=send)
        elif address.path == "/report.html":
            self._report(asked, send=send)
        else:
            self._missing(send=send)

    def _page(self) -> bytes:
        listing = self.server.listing
        entries = listing.entries()
        reports = {entry.id: where for entry in entries if (where := link(entry))}
        return page(listing.root.name, entries, reports, folder=str(listing.given), served=True).encode()

    def _entry(self, id_: str, *, send: bool) -> None:
        entry = self.server.listing.entry(id_)
        if entry is None:
            self._missing(send=send)
        else:
            self._send(HTTPStatus.OK, JSON, _json({"entry": entry.data(), "report": link(entry)}), send=send)

    def _report(self, id_: str, *, send: bool) -> None:
        place = self.server.listing.places().get(id_)
        if place is None:
            self._missing(send=send)
            return
        try:
            with self.server.drawing:  # one at a time: a page of its own takes a core for seconds
                content = report_of(place)
        except ImprintError as error:
            self._send(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", f"{error}\n".encode(), send=send)
            return
        self._send(HTTPStatus.OK, HTML, content, send=send, policy=STRANGER)

    def _missing(self, *, send: bool) -> None:
        self._send(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"There is no such page.\n", send=send)

    def _send(self, status: HTTPStatus, kind: str, content: bytes, *, send: bool, policy: str = "") -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        if policy or kind != HTML:
            self.send_header("Content-Security-Policy", policy or "default-src 'none'")
        self.end_headers()
        if send:
            self.wfile.write(content)


def _json(data: Any) -> bytes:
    return json.dumps(data, allow_nan=False).encode()
