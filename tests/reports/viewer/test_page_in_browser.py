"""The page in a real browser: it filters, sorts, compares and follows work, served and as files, in silence."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import imprint
from imprint.analyses.journal import FOLDER, Journal, Reporter
from imprint.models.files import alone_in
from imprint.reports.viewer import page as pages
from imprint.reports.viewer.static import export_view
from tests.reports.viewer.conftest import HOSTILE

BROWSER = os.environ.get("IMPRINT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed, so there is nothing to drive"
)
pytestmark = pytest.mark.skipif(
    not Path(BROWSER).is_file(), reason="no chromium on this machine, so nothing to open it in"
)
ROWS = "#rows tr"
CHECKS = Path(__file__).parents[1] / "pages" / "accessibility.js"


@dataclass
class Opened:
    """A page, and everything it complained about or asked for elsewhere."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def ids(self) -> list[str]:
        """What is listed, from top to bottom."""
        return list(self.page.eval_on_selector_all(ROWS, "rows => rows.map(row => row.dataset.id)"))

    def text(self, id_: str) -> str:
        """What a row says."""
        return str(self.page.locator(f'{ROWS}[data-id="{id_}"]').inner_text())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture
def chromium(browser: Any) -> Iterator[Any]:
    """The browser, without what an earlier test opened."""
    yield browser
    for context in browser.contexts:
        context.close()


def opened(browser: Any, url: str, width: int = 1280, **options: Any) -> Opened:
    page = browser.new_context(viewport={"width": width, "height": 900}, **options).new_page()
    found = Opened(page)
    page.on("console", lambda message: found.complaints.append(message.text))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (found.complaints.append("a dialog was opened"), dialog.dismiss()))
    allowed = url if url.startswith("http") else url.rpartition("/")[0]
    page.on("request", lambda one: None if one.url.startswith((allowed, "data:")) else found.elsewhere.append(one.url))
    page.goto(url)
    return found


def test_the_page_of_files_filters_searches_sorts_and_compares(chromium: Any, runs: Path, tmp_path: Path) -> None:
    for report in ("values", "broken", "study", "answer", "deep/er/agents", "torn", "nursery-sweep-1a2b3c4d"):
        (runs / report / "report.html").write_text(f"page of {report}", encoding="utf-8")
    index, _ = export_view(runs, tmp_path / "site")
    found = opened(chromium, index.as_uri(), offline=True)
    page = found.page
    assert len(found.ids()) == 8 and page.locator("#status").inner_text() == "8 of 8 shown"
    assert HOSTILE in found.text("study")

    page.select_option("#kind", "question")
    assert found.ids() == ["answer"]
    page.select_option("#kind", "")
    page.fill("#search", "learner.kind=conv WHOLE")
    assert found.ids() == ["values"]
    page.fill("#search", "no such thing")
    assert found.ids() == [] and page.locator("#none").is_visible()
    page.click("#clear")
    assert len(found.ids()) == 8

    head = page.locator('th[data-column="seeds"]')
    for direction in ("descending", "ascending"):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == direction
        column = '#rows td[data-label="seeds"]'
        seeds = page.eval_on_selector_all(column, "cells => cells.map(cell => Number(cell.textContent))")
        known = [number for number in seeds if number == number]
        assert known == sorted(known, reverse=direction == "descending") and known == seeds[: len(known)]

    for id_ in ("values", "broken"):
        page.locator(f'{ROWS}[data-id="{id_}"] input').check()
    compared = page.locator("#compare")
    assert compared.locator("thead th").all_inner_texts()[0].startswith("nursery")
    assert "latch-seed-1 failed: by design" in compared.inner_text() and "0 of " in compared.inner_text()
    assert compared.locator("svg.bars").count() == 2
    assert compared.locator("tr.differs th").all_inner_texts() == ["state"]
    page.locator(f'{ROWS}[data-id="deep/er/agents"] input').check()  # the first one makes way
    assert not page.locator(f'{ROWS}[data-id="values"] input').is_checked()
    assert "environment.kind" in compared.inner_text()
    compared.get_by_role("button", name="Close").click()
    assert not compared.is_visible()

    page.locator(f'{ROWS}[data-id="answer"] a').click()
    assert page.inner_text("body") == "page of answer"
    assert found.complaints == [] and found.elsewhere == []


def test_a_page_that_is_served_follows_a_run_while_it_goes_on(
    chromium: Any, runs: Path, made: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "EVERY", 0.2)
    with imprint.view(runs, port=0, browser=False) as view:
        found = opened(chromium, view.url)
        assert "unfinished" in found.text("begun")
        row, bar = found.page.locator(f'{ROWS}[data-id="begun"]'), f'{ROWS}[data-id="begun"] progress'
        with alone_in(runs / "begun"):
            journal = Journal(runs / "begun" / FOLDER, ["seeds 0-2", "floors"], [])
            journal.ended("floors", 32.9, failed=False)
            Reporter(runs / "begun" / FOLDER, "seeds 0-2")(1, 4, "loss 0.41")
            found.page.wait_for_function(f"() => document.querySelector('{bar}')?.value > 0", polling=100)
            before = found.page.locator(bar).evaluate("bar => bar.value")
            assert "training, stage 1 of 2" in row.inner_text() and "loss 0.41" in row.inner_text()
            Reporter(runs / "begun" / FOLDER, "seeds 0-2")(3, 4, "loss 0.22")
            found.page.wait_for_function(f"() => document.querySelector('{bar}').value > {before + 0.1}", polling=100)
            assert "loss 0.22" in row.inner_text()
            for name in ("run.json", "findings.parquet"):
                shutil.copy(made["values"] / name, runs / "begun")
        found.page.wait_for_function(f"""() => !document.querySelector('{bar}')""", polling=100)
        assert "whole" in row.inner_text() and row.locator("a").count() == 1
        shutil.rmtree(runs / "broken")
        found.page.wait_for_function(f"() => document.querySelectorAll('{ROWS}').length === 7", polling=100)
        assert found.complaints == [] and found.elsewhere == []
    found.page.wait_for_function(
        "() => document.getElementById('note').textContent.includes('was stopped')", polling=100
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_everything_without_scrolling_sideways(
    chromium: Any, runs: Path, tmp_path: Path, scheme: str
) -> None:
    shutil.rmtree(runs / "deep")
    for report in ("values", "broken", "study", "answer", "torn", "nursery-sweep-1a2b3c4d"):
        (runs / report / "report.html").write_text("page", encoding="utf-8")
    index, _ = export_view(runs, tmp_path / "site")
    found = opened(chromium, index.as_uri(), 390, color_scheme=scheme)
    for id_ in ("values", "answer"):
        found.page.locator(f'{ROWS}[data-id="{id_}"] input').check()
    assert found.page.evaluate("() => document.documentElement.scrollWidth") <= 390
    faults = found.page.evaluate(CHECKS.read_text(encoding="utf-8"))
    assert faults["nameless"] == [] and faults["faint"] == []
    found.page.select_option("#order", "date up")
    assert len(found.ids()) == 7 and found.page.locator("#columns").bounding_box()["x"] < -100
    assert found.complaints == []
