"""The report on agents in a real browser, the network cut off: episodes play, frame for frame, on desk and phone."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from imprint.reports.reading.tables import in_turn
from tests.reports import example_agent_run as example
from tests.reports.pages import test_run_in_browser as browser

chromium = browser.chromium
pytestmark = browser.pytestmark
PIXELS = """() => {
    const canvas = document.querySelector('[data-part="screen"]');
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const data = copy.getImageData(0, 0, canvas.width, canvas.height).data;
    let text = '';
    for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192));
    return [canvas.width, canvas.height, btoa(text)];
}"""
ORDER = (0, 2, 4, 1, 5, 3, 6)
"""Stored episodes as the chooser lists them: outcomes in turn."""


@pytest.fixture(scope="module")
def desk(chromium: Any, agent_page: Path) -> Iterator[browser.Opened]:
    found = browser.opened(chromium, agent_page, 1200, 900)
    yield found
    found.page.context.close()


def at(page: Any) -> tuple[int, int]:
    """Episode and step on the screen."""
    episode, step = page.get_attribute("#replay-player", "data-shown").split(":")
    return int(episode), int(step)


def shows(page: Any, episode: int, step: int) -> None:
    """Wait until a step is on the screen."""
    page.wait_for_function(f"() => document.getElementById('replay-player').dataset.shown === '{episode}:{step}'")


def choose(page: Any, episode: int) -> None:
    page.select_option('[data-part="episode"]', str(episode))
    shows(page, episode, 0)


def screen(page: Any) -> np.ndarray:
    """What the canvas shows, uint8 [H, W, 4]."""
    width, height, packed = page.evaluate(PIXELS)
    return np.frombuffer(b64decode(packed), dtype=np.uint8).reshape(height, width, 4)


def numbers(page: Any) -> list[str]:
    """The numbers beside the tracks."""
    found: list[str] = page.eval_on_selector_all(".track .number", "all => all.map(n => n.textContent)")
    return found


def test_the_screen_shows_every_frame_of_every_episode_to_the_pixel(desk: browser.Opened) -> None:
    arrays = example.replay()
    for index, stored in enumerate(ORDER):
        choose(desk.page, index)
        steps = int(arrays["valid"][stored].sum())
        assert int(desk.page.get_attribute('[data-part="step"]', "max")) == steps - 1
        for step in range(steps):
            if step:
                desk.page.click('[data-part="on"]')
                shows(desk.page, index, step)
            shown = screen(desk.page)
            np.testing.assert_array_equal(shown[..., :3], arrays["frames"][stored, step])
            assert (shown[..., 3] == 255).all()


def test_the_order_of_episodes_gives_every_outcome_its_turn() -> None:
    kinds = ["coin" if a[0] >= 0 else "corner" if a[1] >= 0 else "neither" for a in example.replay()["attained"]]
    assert tuple(in_turn(kinds)) == ORDER


def test_the_numbers_are_those_of_the_step(desk: browser.Opened) -> None:
    arrays = example.replay()
    for index, step in ((0, 3), (1, 4), (2, 0)):
        choose(desk.page, index)
        stored = ORDER[index]
        for _ in range(step):
            desk.page.click('[data-part="on"]')
        shows(desk.page, index, step)
        shown = [text.replace("\u2212", "-").replace("\u00a0%", "") for text in numbers(desk.page)]
        chance = softmax(arrays["logits"][stored, step])
        assert float(shown[0]) == pytest.approx(float(arrays["value"][stored, step]), abs=0.006)
        assert [int(text) for text in shown[1:5]] == [pytest.approx(100 * p, abs=0.6) for p in chance]
        known = arrays["known"][stored, step]
        assert [text == "–" for text in shown[5:]] == list(np.isnan(known))
        for text, value in zip(shown[5:], known, strict=True):
            assert np.isnan(value) or float(text) == pytest.approx(float(value), abs=0.006)


def test_it_plays_to_the_end_and_stops_there(desk: browser.Opened) -> None:
    page = desk.page
    choose(page, 2)
    page.select_option('[data-part="speed"]', "25")
    page.click('[data-part="play"]')
    assert page.inner_text('[data-part="play"]') == "Pause"
    shows(page, 2, 9)
    page.wait_for_function("() => document.querySelector('[data-part=\"play\"]').textContent === 'Play'")
    assert at(page) == (2, 9) and page.get_attribute('[data-part="play"]', "aria-pressed") == "false"
    page.select_option('[data-part="speed"]', "4")
    page.click('[data-part="play"]')
    page.wait_for_function("() => document.getElementById('replay-player').dataset.shown !== '2:9'")
    page.click('[data-part="play"]')
    held = at(page)
    page.wait_for_timeout(200)
    assert at(page) == held and held[1] < 9


def test_it_is_worked_from_the_keyboard_alone(desk: browser.Opened) -> None:
    page = desk.page
    choose(page, 0)
    page.focus('[data-part="step"]')
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    shows(page, 0, 1)
    assert page.get_attribute('[data-part="step"]', "aria-valuetext").startswith("step 2 of ")
    page.keyboard.press("End")
    last = int(page.get_attribute('[data-part="step"]', "max"))
    shows(page, 0, last)
    assert "reaches “coin”" in page.inner_text('[data-part="event"]')
    page.focus('[data-part="back"]')
    page.keyboard.press("Enter")
    shows(page, 0, last - 1)
    page.focus('[data-part="play"]')
    page.keyboard.press("Space")
    shows(page, 0, last)


def test_a_track_is_a_handle_on_time(desk: browser.Opened) -> None:
    choose(desk.page, 0)
    box = desk.page.query_selector(".track svg").bounding_box()
    steps = int(desk.page.get_attribute('[data-part="step"]', "max")) + 1
    desk.page.mouse.click(box["x"] + box["width"] * 2.5 / steps, box["y"] + box["height"] / 2)
    shows(desk.page, 0, 2)
    places = desk.page.eval_on_selector_all(".track .cursor", "all => all.map(c => c.getAttribute('x'))")
    assert len(places) == 1 + len(example.ACTIONS) + len(example.FACTS) and set(places) == {"2"}


def test_the_chooser_lists_what_happened(desk: browser.Opened) -> None:
    groups = desk.page.eval_on_selector_all("optgroup", "all => all.map(g => [g.label, g.children.length])")
    assert groups == [["coin first", 4], ["corner first", 2], ["neither", 1]]


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_before_it_is_asked_to(chromium: Any, agent_page: Path, motion: str) -> None:
    context = chromium.new_context(reduced_motion=motion, offline=True)
    page = context.new_page()
    page.goto(agent_page.as_uri())
    shows(page, 0, 0)
    page.wait_for_timeout(800)
    assert at(page) == (0, 0)
    context.close()


def test_names_are_shown_and_never_run(desk: browser.Opened) -> None:
    names = desk.page.eval_on_selector_all(".track .name", "all => all.map(n => n.textContent)")
    assert example.NASTY in names
    assert desk.page.evaluate("() => document.querySelectorAll('#content script:not([type])').length") == 0


def test_figures_are_drawn_and_their_words_stand_free(chromium: Any, agent_page: Path) -> None:
    for width in (1200, 375):
        found = browser.opened(chromium, agent_page, width, 900)
        drawn = found.page.evaluate(browser.DRAWN)
        assert len(drawn) == 14 and all(svgs >= 1 and wide > 100 for _, svgs, wide in drawn), drawn
        assert found.page.evaluate(browser.CUT) == [], width
        assert found.page.evaluate(browser.CROWDED) == [], width
        found.page.context.close()


def test_a_phone_shows_all_of_it_without_scrolling_sideways(chromium: Any, agent_page: Path) -> None:
    found = browser.opened(chromium, agent_page, 375, 812)
    assert browser.fits_a_phone(found)
    for part in ('[data-part="screen"]', '[data-part="play"]', '[data-part="step"]', ".track svg", ".fields svg"):
        box = found.page.query_selector(part).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 375 and box["width"] > 30, part
    found.page.click('[data-part="on"]')
    shows(found.page, 0, 1)
    assert found.requests == [] and found.complaints == []
    found.page.context.close()


def test_fields_stand_side_by_side_and_are_stacked_on_a_phone(chromium: Any, agent_page: Path) -> None:
    for width, columns in ((1200, 4), (375, 1)):
        found = browser.opened(chromium, agent_page, width, 900)
        left = found.page.evaluate(
            "() => [...document.querySelectorAll('.fields svg')].map(s => s.getBoundingClientRect().x)"
        )
        assert len(left) == 8 and len(set(left)) == columns
        sizes = found.page.evaluate(
            "() => [...document.querySelectorAll('.fields path.arrow')].map(p => p.getBoundingClientRect().width)"
        )
        assert min(sizes) > 100
        found.page.context.close()


def test_nothing_is_asked_for_and_nothing_goes_wrong(desk: browser.Opened) -> None:
    assert desk.requests == [] and desk.complaints == []
