"""Whether work goes on, how far it is, and how long it takes, on journals whose truth is known."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from imprint.analyses.journal import FOLDER, Journal, Reporter
from imprint.models.files import alone_in
from imprint.reports.viewer.listing import Listing
from imprint.reports.viewer.places import places_in
from imprint.reports.viewer.running import Standing, standing_of, took_in

TOOK = took_in({"seeds 0-1": 60.0, "floors": 20.0, "locate-seed-0": 30.0, "locate-seed-1": 30.0, "latch-seed-0": 20.0})
CELLS = ["seeds 0-1", "seeds 2-3", "floors", "planted controls"]


def begun(folder: Path, before: tuple[str, ...] = ()) -> Journal:
    (folder / "setup.yaml").parent.mkdir(parents=True, exist_ok=True)
    (folder / "setup.yaml").write_text("name: nursery\n")
    return Journal(folder / FOLDER, CELLS, before)


def standing(folder: Path, seconds: float, **more: object) -> Standing:
    place = next(iter(places_in(folder.parent)))
    found = standing_of(place, now=time.time() + seconds, **more)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_what_is_left_follows_from_what_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "nursery-1"
    journal = begun(folder)
    assert standing(folder, 1.0).left is None
    journal.ended("floors", 20.0, failed=False)
    Reporter(folder / FOLDER, "seeds 0-1")(50, 100, "loss 0.3")
    now = standing(folder, 30.0)
    assert (now.stage, now.number, now.stages, now.done, now.pieces) == ("training", 1, 2, 1, 4)
    assert now.part == pytest.approx(1.5 / 4) and [piece.note for piece in now.running] == ["loss 0.3"]
    assert now.left == pytest.approx(30.0 * 2.5 / 1.5, rel=0.01) and now.left_in_all is None


def test_finished_runs_of_the_setup_tell_how_much_pieces_count_and_what_comes_after(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "nursery-1"
    journal = begun(folder, before=("planted controls",))
    journal.ended("floors", 20.0, failed=True)
    Reporter(folder / FOLDER, "seeds 0-1")(50, 100)
    now = standing(folder, 50.0, took=TOOK)  # 20 and 30 of 140 seconds of work are done in 50
    assert now.part == pytest.approx(50 / 140) and now.left == pytest.approx(90.0, rel=0.01)
    assert now.left_in_all == pytest.approx(90.0 + 80 / 80 * 140, rel=0.01)  # what comes after is as much as this was
    assert (now.done, now.failed) == (2, 1)


def test_a_lock_that_is_held_and_a_fresh_journal_say_that_work_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "nursery-1"
    begun(folder)
    listing = Listing(folder.parent)
    assert listing.entries()[0].state == "running"  # by its journal: elsewhere
    for file in (folder / FOLDER).iterdir():
        os.utime(file, (1e9, 1e9))
    assert listing.entries()[0].state == "unfinished"
    with alone_in(folder):
        entry = listing.entries()[0]
        assert entry.state == "running" and entry.progress is not None and entry.progress["pieces"] == 4
    assert listing.entries()[0].state == "unfinished"  # the lock's file is still there


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"began": "x", "cells": [], "before": []}', "\x00\xff", "null\n1"])
def test_a_journal_that_is_none_tells_nothing(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "runs" / "nursery-1"
    begun(folder)
    (folder / FOLDER / ".wave").write_text(text, encoding="latin-1")
    assert standing_of(next(iter(places_in(folder.parent)))) is None
    assert Listing(folder.parent).entries()[0].state == "running"
