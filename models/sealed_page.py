"""The seal of a page: a last comment with the SHA-256 of all before it, and of the results that the page shows.

A page that was changed by accident or by hand, or that is of other results, is found out; one that was forged with its
seal is found out by writing it again.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from imprint.models.files import write_bytes

SEAL = re.compile(rb"<!-- sha256 ([0-9a-f]{64}) of ([0-9a-f]{64}) -->\n$")


def write_page(path: Path, text: str, results: Path) -> None:
    """Write a page of the table ``results``, whole or not at all. Raises as :func:`write_bytes`."""
    content = text.rstrip("\n").encode("utf-8") + b"\n"
    write_bytes(path, content + f"<!-- sha256 {_sha(content)} of {_sha(results.read_bytes())} -->\n".encode())


def page_fault(path: Path, results: Path) -> str | None:
    """What is wrong with a page; empty when nothing is, None for one without a seal."""
    content = path.read_bytes()
    seal = SEAL.search(content)
    if seal is None:
        return None
    if _sha(content[: seal.start()]).encode() != seal[1]:
        return "report.html was changed after it was written"
    if not results.is_file() or _sha(results.read_bytes()).encode() != seal[2]:
        return "report.html is of other results; `imprint report` writes it again"
    return ""


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
