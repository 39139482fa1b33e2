"""The report in a real browser with the network cut off: drawn, quiet, downloadable, and fit for a phone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from imprint.reports.reading.run import load_run
from tests.reports import example_run as example
from tests.reports.example_question import LONG, NASTY

BROWSER = os.environ.get("IMPRINT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed, so there is nothing to drive"
)
pytestmark = pytest.mark.skipif(
    not Path(BROWSER).is_file(), reason="no chromium on this machine, so nothing to open it in"
)
BURST = 8
"""Chromium drops the eleventh download that a page starts within one second; people click more slowly."""
DRAWN = """() => [...document.querySelectorAll('[data-figure]')].map(box => [
    box.id,
    box.querySelectorAll('svg.main-svg').length,
    box.querySelector('.plot-container')?.getBoundingClientRect().width ?? 0,
])"""

CUT = """() => [...document.querySelectorAll('[data-figure]')].flatMap(box => {
    const frame = box.getBoundingClientRect();
    return [...box.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()])
        .filter(([, r]) => r.left < frame.left - 1 || r.right > frame.right + 1 || r.bottom > frame.bottom + 1)
        .filter(([words]) => words).map(([words]) => words);
})"""
"""Words that stick out of their figure."""
CROWDED = """() => [...document.querySelectorAll('[data-figure]')].flatMap(box => ['.xtick', '.ytick'].flatMap(kind => {
    const all = [...box.querySelectorAll(kind)].map(t => [t.textContent, t.getBoundingClientRect()]);
    return all.flatMap(([word, a], i) => all.slice(i + 1).filter(([, b]) =>
        a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1
    ).map(([other]) => [box.id, word, other]));
}))"""
"""Labels of one axis that cover one another."""


@dataclass
class Opened:
    """A page and everything it complained about or asked for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def opened(
    browser: Any, path: Path, width: int, height: int, scheme: str = "light", *, unfolded: bool = True
) -> Opened:
    """The page; ``unfolded``: with all that it folds opened."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True, accept_downloads=True
    )
    page = context.new_page()
    found = Opened(page)
    page.on(
        "console",
        lambda message: found.complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (found.complaints.append("a dialog was opened"), dialog.dismiss()))

    def route(request: Any) -> None:
        url = request.request.url
        if url.startswith(path.as_uri()):
            request.continue_()
        else:
            found.requests.append(url)
            request.abort()

    page.route("**/*", route)
    page.goto(path.as_uri())
    if unfolded:
        page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    seen = "[...document.querySelectorAll('[data-figure]')].filter(b => b.offsetWidth)"
    page.wait_for_function(f"() => {seen}.every(b => b.querySelector('svg.main-svg'))")
    return found


@pytest.fixture(scope="module")
def desktop(chromium: Any, page: Path) -> Iterator[Opened]:
    found = opened(chromium, page, 1200, 900)
    yield found
    found.page.context.close()


@pytest.fixture(scope="module")
def answer(chromium: Any, question: Path) -> Iterator[Opened]:
    found = opened(chromium, question, 1200, 900)
    yield found
    found.page.context.close()


def test_every_figure_is_drawn(desktop: Opened) -> None:
    drawn = desktop.page.evaluate(DRAWN)
    assert len(drawn) > 15
    assert all(svgs >= 1 and width > 100 for _, svgs, width in drawn), drawn


def test_pictures_are_decoded(desktop: Opened) -> None:
    sizes = desktop.page.evaluate(
        "() => Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))"
    )
    assert len(sizes) > 15 and min(sizes) > 100


def test_names_appear_as_they_are(desktop: Opened) -> None:
    assert example.NASTY in desktop.page.inner_text("#grid")
    assert desktop.page.evaluate("() => document.querySelectorAll('#content script').length") == 0


def test_tables_come_down_as_csv(desktop: Opened, page: Path, tmp_path: Path) -> None:
    findings = load_run(page.parent).findings
    names = desktop.page.evaluate("() => [...document.querySelectorAll('[data-table]')].map(b => b.dataset.table)")
    assert "findings" in names and len(names) > 8
    for i, name in enumerate(names):
        if i % BURST == BURST - 1:
            desktop.page.wait_for_timeout(1100)
        with desktop.page.expect_download() as coming:
            desktop.page.click(f'[data-table="{name}"]')
        file = tmp_path / coming.value.suggested_filename
        coming.value.save_as(file)
        table = pd.read_csv(file)
        assert file.suffix == ".csv" and len(table) > 0
        if name == "findings":
            assert len(table) == len(findings) and set(table["concept"].dropna()) == set(findings["concept"]) - {""}


def test_nothing_is_asked_for_and_nothing_goes_wrong(desktop: Opened) -> None:
    assert desktop.requests == [] and desktop.complaints == []


def fits_a_phone(found: Opened) -> bool:
    narrow = all(100 < width <= 375 for _, _, width in found.page.evaluate(DRAWN))
    return narrow and found.page.evaluate("() => document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("which", ["page", "question"])
def test_a_phone_never_scrolls_sideways(chromium: Any, which: str, request: pytest.FixtureRequest) -> None:
    found = opened(chromium, request.getfixturevalue(which), 375, 812)
    assert fits_a_phone(found)
    assert found.requests == [] and found.complaints == []
    found.page.context.close()


def test_dark_and_print_change_the_colours(chromium: Any, page: Path) -> None:
    found = opened(chromium, page, 375, 812, "dark")
    ink = "() => getComputedStyle(document.querySelector('#shares-bars text')).fill"
    dark = found.page.evaluate(ink)
    found.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    light = found.page.evaluate(ink)
    assert dark == "rgb(230, 233, 234)" and light == "rgb(31, 37, 40)"
    assert fits_a_phone(found) and found.complaints == []
    found.page.context.close()


def test_an_answer_is_drawn_quietly_with_every_name_as_it_is(answer: Opened) -> None:
    drawn = answer.page.evaluate(DRAWN)
    assert len(drawn) == 6 and all(svgs >= 1 and width > 100 for _, svgs, width in drawn), drawn
    assert answer.page.evaluate("() => document.querySelectorAll('#content script, #content b b').length") == 0
    assert answer.requests == [] and answer.complaints == []
    ticks = answer.page.evaluate(
        "() => [...document.querySelectorAll('#figure-the-heat-0 .ytick')].map(t => t.textContent)"
    )
    assert NASTY in ticks


def test_text_of_a_figure_is_neither_cut_off_nor_on_top_of_other_text(chromium: Any, question: Path) -> None:
    for width in (1200, 375):
        found = opened(chromium, question, width, 900)
        assert found.page.evaluate(CUT) == [], width
        assert found.page.evaluate(CROWDED) == [], width
        found.page.context.close()


def test_panels_stand_side_by_side_and_are_stacked_on_a_phone(chromium: Any, question: Path) -> None:
    for width, columns in ((1200, 2), (375, 1)):
        found = opened(chromium, question, width, 900)
        left = found.page.evaluate(
            "() => [...document.querySelectorAll('.panel')].map(p => p.getBoundingClientRect().x)"
        )
        assert len(left) == 3 and len(set(left)) == columns
        found.page.context.close()


def test_tables_of_an_answer_scroll_inside_their_box_and_come_down_whole(answer: Opened, tmp_path: Path) -> None:
    names = answer.page.evaluate("() => [...document.querySelectorAll('[data-table]')].map(b => b.dataset.table)")
    assert len(names) == 10
    for name in names:
        with answer.page.expect_download() as coming:
            answer.page.click(f'[data-table="{name}"]')
        coming.value.save_as(tmp_path / f"{name}.csv")
    assert len(pd.read_csv(tmp_path / "exhibit-the-plain.csv")) == LONG
    box = answer.page.query_selector("#table-exhibit-the-plain .scroll")
    whole, seen = box.evaluate("box => [box.scrollHeight, box.clientHeight]")
    assert whole > 5 * seen
