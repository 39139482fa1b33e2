"""The page as people use it: short until something is opened, followed by its contents, sorted, explained, printed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from imprint.reports.pages.report import report
from tests.reports import example_sweep
from tests.reports.pages.test_run_in_browser import Opened, chromium, opened, pytestmark, sync_api

__all__ = ["chromium", "pytestmark", "sync_api"]
SCREENS = "() => document.documentElement.scrollHeight / innerHeight"
CHECKS = (Path(__file__).parent / "accessibility.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run_page(chromium: Any, page: Path) -> Iterator[Opened]:
    found = opened(chromium, page, 1280, 800, unfolded=False)
    yield found
    found.page.context.close()


@pytest.fixture(scope="module")
def question_page(chromium: Any, question: Path) -> Iterator[Opened]:
    found = opened(chromium, question, 390, 844, "dark", unfolded=False)
    yield found
    found.page.context.close()


def test_it_is_short_until_something_is_opened_and_its_contents_stay_in_view(run_page: Opened) -> None:
    page = run_page.page
    assert page.evaluate(SCREENS) <= 6
    place = page.locator("#erasure > details")
    assert place.get_attribute("open") is None
    page.click('nav.contents a[href="#erasure"]')
    page.wait_for_selector("#erasure svg.main-svg")
    assert place.get_attribute("open") is not None
    assert 0 <= page.locator("#erasure").bounding_box()["y"] < 100, "the section that was chosen is in view"
    assert page.locator("nav.contents ol").bounding_box()["y"] >= 0
    page.wait_for_selector('nav.contents a[href="#erasure"][aria-current]')


def test_tables_are_sorted_by_the_keyboard(run_page: Opened) -> None:
    page = run_page.page
    page.evaluate("() => { document.querySelector('#table-erasure-losses details').open = true; }")
    heads = page.locator("#table-erasure-losses th")
    column = [head.strip() for head in heads.all_inner_texts()].index("estimate")
    rows = "[...document.querySelectorAll('#table-erasure-losses tbody tr')]"
    shown = f"() => {rows}.map(r => r.cells[{column}].textContent)"
    before = page.evaluate(shown)
    for order, down in (("ascending", False), ("descending", True)):
        heads.nth(column).locator("button").press("Enter")
        assert heads.nth(column).get_attribute("aria-sort") == order
        numbers = [
            float(v.replace("\u2212", "-").rstrip("\u00a0%")) for v in page.evaluate(shown) if v != "not measured"
        ]
        assert len(set(numbers)) > 2 and numbers == sorted(numbers, reverse=down)
    assert sorted(before) == sorted(page.evaluate(shown))


def test_words_are_explained_at_focus_and_nothing_else_may_run(run_page: Opened) -> None:
    page = run_page.page
    term = page.locator("#shares a.term").first
    term.focus()
    tip = page.locator(".tip")
    assert tip.is_visible()
    assert tip.inner_text() == page.evaluate(
        "(id) => document.getElementById(id).textContent", term.get_attribute("aria-describedby")
    )
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    assert run_page.complaints == [] and run_page.requests == []
    foreign = "() => { for (const [tag, text] of [['script', 'window.came = 1'], ['style', 'h1 { color: red }']]) {"
    foreign += " const e = document.createElement(tag); e.textContent = text; document.head.append(e); }"
    foreign += " return [window.came ?? 0, getComputedStyle(document.querySelector('h1')).color]; }"
    came, colour = page.evaluate(foreign)
    assert came == 0 and colour != "rgb(255, 0, 0)"
    assert len(run_page.complaints) == 2, "the browser says so of both"
    run_page.complaints.clear()


def test_paper_shows_what_is_closed(run_page: Opened) -> None:
    page = run_page.page
    folds = "[...document.querySelectorAll('details:not([open])')]"
    closed = f"() => {folds}.map(d => d.querySelectorAll(':scope > .scroll tr').length)"
    before = page.evaluate(closed)
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert all(rows > 100 for rows in page.evaluate(closed)) and len(before) > 10
    drawn = "() => [...document.querySelectorAll('[data-figure]')].filter(b => !b.querySelector('svg.main-svg')).length"
    assert page.evaluate(drawn) == 0
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(closed) == before


def test_a_phone_has_a_menu(question_page: Opened) -> None:
    page = question_page.page
    entries = page.locator("nav.contents ol")
    assert page.evaluate(SCREENS) <= 10 and not entries.is_visible()
    page.evaluate("() => scrollTo(0, 1500)")
    page.locator(".menu").press("Enter")
    assert entries.is_visible() and page.locator(".menu").get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert not entries.is_visible()


def test_every_prediction_stands_against_its_bound(question_page: Opened) -> None:
    lines = question_page.page.evaluate(
        """() => [...document.querySelectorAll('.intervals li')].map((li) => {
            const [a, b] = ['.inside', '.interval'].map((k) => li.querySelector(k)?.getBoundingClientRect());
            return [li.className, li.textContent, b && b.left >= a.left - 1 && b.right <= a.right + 1];
        })"""
    )
    assert [(outcome, within) for outcome, _, within in lines] == [
        ("held", True), ("failed", False), ("open", False), ("open", None), ("held", True)
    ]  # fmt: skip
    assert "predicted at least 0.5; power 90" in lines[0][1].replace("\u00a0", " ") and "not measured" in lines[3][1]


@pytest.fixture(scope="module")
def pages(page: Path, question: Path, agent_page: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of every kind."""
    folder = tmp_path_factory.mktemp("kinds")
    study = folder / "study"
    shutil.copytree(page.parent, study, ignore=shutil.ignore_patterns("report.html"))
    told = {"name": "study", "study": "world", "unit": "steps", "question": "Which?", "intended": "caregiver"}
    (study / "setup.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    made = {"sweep": report(example_sweep.write(folder)), "study": report(study)}
    return {"run": page, "question": question, "agents": agent_page, **made}


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("kind", ["run", "question", "agents", "sweep", "study"])
def test_it_can_be_read_by_everybody(chromium: Any, pages: dict[str, Path], kind: str, width: int, scheme: str) -> None:
    found = opened(chromium, pages[kind], width, 900, scheme)
    faults = found.page.evaluate(CHECKS)
    found.page.context.close()
    assert faults["nameless"] == [] and faults["faint"] == []
    assert found.complaints == [] and found.requests == []
