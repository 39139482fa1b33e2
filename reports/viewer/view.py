"""``imprint.view``: many runs, studies, sweeps and answered questions on one page, served here or written as files."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from html import escape
from pathlib import Path
from types import TracebackType
from typing import Self

from imprint.models.errors import ImprintError
from imprint.reports.viewer.listing import Listing
from imprint.reports.viewer.server import Server


class View:
    """A page that is being shown, until :meth:`close` or the end of the program."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True, name="imprint view")
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return self._server.url

    def wait(self) -> None:
        """Return when it is closed; Ctrl-C closes it."""
        try:
            while self._thread.is_alive():
                self._thread.join(0.5)
        finally:
            self.close()

    def close(self) -> None:
        """Stop serving."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"View({self.url})"

    def _repr_html_(self) -> str:
        return f'<p>imprint view: <a href="{escape(self.url)}">{escape(self.url)}</a></p>'


def view(folder: str | Path = "runs", *, port: int | None = None, browser: bool | None = None) -> View:
    """Show everything under a folder on a page that follows what goes on; returns at once.

    The page is served on 127.0.0.1 alone, and nothing is written. The same as files: :func:`export_view`.

    Arguments:
        folder: with runs, studies, sweeps and answered questions, at any depth down to six.
        port: this very one, 0 for any; by default 8517, or any when that is taken.
        browser: open the page in a browser; by default where there is a screen and somebody at a terminal.

    Raises :class:`ImprintError` when there is no such folder, or the port is taken.
    """
    if port is not None and not (isinstance(port, int) and 0 <= port <= 65535):
        raise ImprintError(f"port is {port!r}; expected a whole number from 0 to 65535.")
    shown = View(Server(Listing(folder), port))
    if _screen() if browser is None else browser:
        webbrowser.open(shown.url)
    return shown


def _screen() -> bool:
    """Whether somebody could see a browser that is opened."""
    drawn = sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return drawn and sys.stdout.isatty()
