"""The server: its own name alone, reading alone, and nothing but what is listed."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import imprint
from imprint.models.errors import ImprintError
from imprint.reports.viewer.static import export_view
from imprint.reports.viewer.view import View
from tests.reports.viewer.conftest import HOSTILE


@pytest.fixture
def shown(runs: Path) -> Iterator[View]:
    (runs / "values" / "report.html").write_text("<!doctype html>the page", encoding="utf-8")
    with imprint.view(runs, port=0, browser=False) as view:
        yield view


def asked(view: View, path: str, method: str = "GET", **headers: str) -> tuple[int, str, http.client.HTTPResponse]:
    host = view.url.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    for name, value in {"Host": host, **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer


def test_it_answers_here_alone_and_under_its_own_names_alone(shown: View) -> None:
    assert shown.url.startswith("http://127.0.0.1:")
    port = shown.url.rstrip("/").rpartition(":")[2]
    assert asked(shown, "/", Host=f"localhost:{port}")[0] == 200
    for other in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port}.evil.example"):
        assert asked(shown, "/", Host=other)[0] == 421
        assert asked(shown, "/live.json", Host=other)[0] == 421


def test_it_reads_and_nothing_else(shown: View, runs: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*")}
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert asked(shown, "/", method)[0] == 501
    status, body, answer = asked(shown, "/", "HEAD")
    assert (status, body) == (200, "") and int(answer.headers["Content-Length"]) > 10_000
    asked(shown, "/report.html?id=values")
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*")} == before


@pytest.mark.parametrize(
    "path",
    [
        *("/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "//etc/passwd", "/values/report.html"),
        *(f"/report.html?id={quote(id_, safe='')}" for id_ in ("../outside", "/etc", "linked", "values/..", "", "\0")),
        *("/report.html", "/entry.json?id=../outside", "/entry.json", "/live.json/../..", "/nowhere"),
    ],
)
def test_no_address_leads_anywhere_else(shown: View, runs: Path, path: str) -> None:
    (runs.parent / "secret.txt").write_text("secret")
    outside = runs.parent / "outside"
    outside.mkdir()
    for name in ("setup.yaml", "report.html"):
        (outside / name).write_text("secret")
    (runs / "linked").symlink_to(outside)
    status, body, _ = asked(shown, path)
    assert status == 404 and "secret" not in body


def test_reports_are_served_as_strangers_made_where_missing_and_refused_where_they_lie_elsewhere(
    shown: View, runs: Path
) -> None:
    status, body, answer = asked(shown, "/report.html?id=values")
    assert (status, body) == (200, "<!doctype html>the page")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox ")
    status, body, _ = asked(shown, "/report.html?id=nursery-sweep-1a2b3c4d")
    assert status == 200 and "nursery-sweep-1a2b3c4d" in body and not list(runs.glob("nursery-sweep*/report.html"))
    status, body, _ = asked(shown, "/report.html?id=begun")
    assert status == 404 and "no findings yet" in body
    (runs.parent / "secret.html").write_text("secret")
    (runs / "broken" / "report.html").symlink_to(runs.parent / "secret.html")
    status, body, _ = asked(shown, "/report.html?id=broken")
    assert status == 404 and "link that leads out" in body


def test_names_are_text_and_the_page_allows_no_other_script(shown: View) -> None:
    _, body, answer = asked(shown, "/")
    assert HOSTILE not in body and body.count("<script") == 2
    assert "script-src 'sha256-" in body and "connect-src 'self'" in body
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    entry = json.loads(asked(shown, "/entry.json?id=study")[1])["entry"]
    assert entry["setup"] == HOSTILE


def test_ports_and_folders_that_cannot_be_are_refused(shown: View, runs: Path) -> None:
    taken = int(shown.url.rstrip("/").rpartition(":")[2])
    for port in (taken, -1, 70_000, "8000"):
        with pytest.raises(ImprintError, match="port"):
            imprint.view(runs, port=port, browser=False)  # type: ignore[arg-type]
    with pytest.raises(ImprintError, match="expected the folder"):
        imprint.view(runs / "nowhere", browser=False)


def test_the_folder_of_files_holds_all_reports_and_names_no_folder_of_this_machine(runs: Path, tmp_path: Path) -> None:
    for name in ("deep", "study", "torn", "answer", "nursery-sweep-1a2b3c4d"):  # pages take seconds to make
        (runs / name).rename(tmp_path / name)
    for name in ("values", "broken"):
        (runs / name / "report.html").write_text(f"page of {name}")
    index, lacking = export_view(runs, tmp_path / "site")
    text = index.read_text(encoding="utf-8")
    assert str(tmp_path) not in text and "connect-src" not in text and not lacking
    assert {file.name for file in (tmp_path / "site" / "reports").iterdir()} == {"values.html", "broken.html"}
    with pytest.raises(ImprintError, match="holds the runs"):
        export_view(runs, runs)
