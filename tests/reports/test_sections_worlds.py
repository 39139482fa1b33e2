"""The page says which worlds the seeds grew up in, and of which world its pictures are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from imprint.analyses.findings import findings
from imprint.reports.pages.run import render
from imprint.reports.reading.run import Arrays, load_run
from imprint.reports.sections.worlds import Worlds
from tests.reports import example_run as example

DRAWN = {"caregiver": ("3", "7"), "her_colour": ("red", "blue")}


def over_worlds() -> pd.DataFrame:
    """The made-up run, its six seeds in two worlds."""
    row = {"analysis": "worlds", "metric": "constant"}
    rows = [
        {**row, "concept": name, "world": world, "why": value}
        for name, values in DRAWN.items()
        for world, value in enumerate(values)
    ]
    return pd.concat([example.table(), findings(rows)], ignore_index=True)


def test_worlds_list_what_was_drawn_and_how_their_seeds_were_judged(tmp_path: Path) -> None:
    run = load_run(example.write(tmp_path, changes=over_worlds()))
    assert "her_colour" not in run.concepts, "a constant is not a concept that was measured"
    found = Worlds().collect(run)
    shown = found["tables"][0].frame
    assert list(shown.columns) == ["world", "caregiver", "her_colour", "seeds", "judged"]
    assert shown["caregiver"].tolist() == ["3", "7"] and shown["seeds"].tolist() == ["0, 2, 4", "1, 3, 5"]
    assert all(len(words.split(", ")) == 3 for words in shown["judged"])
    page = render(run)
    assert "Seeds grew up in 2 worlds" in page and "blue" in page


def test_one_world_is_said_to_be_one(tmp_path: Path) -> None:
    page = render(load_run(example.write(tmp_path)))
    assert "All seeds grew up in one world" in page and "Seeds grew up in" not in page


def test_pictures_say_of_which_world_they_are() -> None:
    about = {"seed": np.array(1), "age": np.array(640)}
    assert "world" not in Arrays(about).subject
    assert Arrays({**about, "world": np.array(1)}).subject.startswith("Training seed 1 of world 1 at ")
