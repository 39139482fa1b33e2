"""What a notebook shows: an answer first, inline styles, no script, every name taken literally."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import imprint
from imprint.analyses.evaluate.run import Run
from imprint.analyses.evaluate.sweeps.sweep import Sweep
from imprint.analyses.latch.latch import latch_from_arrays
from imprint.analyses.verdicts import with_odds
from tests.reports import example_agent_run, example_run, example_sweep

HOSTILE = "<script>alert(1)</script>"


def said(shown: str) -> str:
    """The first sentence of a card that survives any viewer."""
    assert not re.search(r"<script|<style|<svg on| class=|javascript:|<img", shown)
    assert shown.count("<table") <= 1 and shown.count("<div") == shown.count("</div>") == 1
    return re.search(r"<strong>(.*?)</strong>", shown)[1]  # type: ignore[index]


def test_a_verdict_is_said_with_its_probability_and_an_open_one_with_the_likeliest_word() -> None:
    assert with_odds("intended", {"intended": 0.97}, "a").endswith("(probability 97 %).")
    open_ = with_odds("undetermined", {"mixed": 0.6, "undetermined": 0.4}, "a")
    assert open_.endswith("(likeliest is “mixed”, with probability 60 %).")
    assert "probability" not in with_odds("intended", {}, "a")
    assert with_odds("undetermined", {"undetermined": 1.0}, "a").endswith(
        "(probability &gt; 99 %).".replace("&gt;", ">")
    )


def test_a_latch() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({HOSTILE: rng.integers(0, 2, 200), "other": rng.integers(0, 2, 200)})
    latch = latch_from_arrays(frame[HOSTILE].to_numpy(float), frame, intended=HOSTILE, proxies=["other"])
    shown = latch._repr_html_()
    assert said(shown) == "The value latched onto “&lt;script&gt;alert(1)&lt;/script&gt;”, the concept that the " + (
        "author of the reward meant (probability &gt; 99 %)."
    )
    assert shown.count("<tr>") == 1 + len(latch.shares)


@pytest.mark.parametrize("example", [example_run, example_agent_run], ids=["values", "agents"])
def test_a_run_whole_or_begun(tmp_path: Path, example: object) -> None:
    path = example.write(tmp_path)  # type: ignore[attr-defined]
    run = Run.of(path, setup=example.setup())  # type: ignore[attr-defined]
    first = said(run._repr_html_())
    assert first.startswith(with_odds(run.verdict, {}, run.setup.intended, agents=example is example_agent_run)[:20])
    (path / "findings.parquet").unlink()
    assert "no findings yet" in said(Run(path)._repr_html_())


def test_a_sweep(tmp_path: Path) -> None:
    frame = example_sweep.frame_of()
    shown = Sweep(example_sweep.write(tmp_path))._repr_html_()
    count = int((frame["verdict"] == "intended").sum())
    assert f"{count} “intended”" in said(shown) and f"({len(frame) - 20} more rows)" in shown


def test_a_subject_names_what_can_be_a_site() -> None:
    shown = imprint.Subject(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()))._repr_html_()
    assert said(shown) == "No verdict: a Sequential with 16 weights, ready to be examined."
    assert "Linear" in shown and "ReLU" in shown


def test_a_located_table_stays_a_table_and_its_card_says_what_is_present() -> None:
    rng = np.random.default_rng(0)
    there, absent = rng.integers(0, 2, 300), rng.integers(0, 2, 300)
    acts = rng.normal(size=(300, 4)) + 2.0 * there[:, None]
    table = imprint.locate({"site": acts}, pd.DataFrame({"there<": there, "not": absent}), nulls=5)
    assert type(table) is pd.DataFrame
    shown = table._repr_html_()
    assert said(shown).startswith("Present beyond every floor: “there&lt;” at site (score ")
    assert "Present nowhere: not." in shown and "untrained” and “inputs" in shown
    assert "<table" in table[["concept", "score"]]._repr_html_()  # pandas' own
    del table["score"]
    assert "<table" in table._repr_html_()


def test_a_study_says_what_was_added() -> None:
    rng = np.random.default_rng(0)
    labels = pd.DataFrame({"food": rng.integers(0, 2, 200), "bell": rng.integers(0, 2, 200)})
    study = imprint.Study(labels, intended="food", proxies=["bell"], question=f"{HOSTILE}?")
    assert said(study._repr_html_()).startswith("No verdict yet: 0 models of 0 training seeds")
    acts = rng.normal(size=(200, 3)).astype(np.float32) + labels[["food"]].to_numpy(np.float32)
    study.add_arrays({"site": acts}, age=10, seed=4, values=labels["food"].to_numpy(float))
    shown = study._repr_html_()
    assert said(shown).startswith("No verdict yet: 1 models of 1 training seeds") and ">4</td>" in shown
