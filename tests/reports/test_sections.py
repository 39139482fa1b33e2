"""Each sentence on a case where the thing is there and one where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imprint.reports.reading.run import RunData, load_run
from imprint.reports.reading.tables import in_turn
from imprint.reports.sections.caveats import Caveats
from imprint.reports.sections.erasure import reading
from imprint.reports.sections.margins import Margins
from imprint.reports.sections.verdict import Verdict
from tests.reports import example_run as example

END = 76800


def run_with(folder: Path, shares: dict[str, tuple[float, float, float]], verdict: str) -> RunData:
    """A run whose shares at the last age and verdict are as given."""
    table = example.table()
    for name, numbers in shares.items():
        at = (table["metric"] == "share") & (table["concept"] == name) & table["seed"].isna() & (table["age"] == END)
        table.loc[at, ["estimate", "low", "high"]] = list(numbers)
    table.loc[(table["metric"] == "latch") & table["seed"].isna(), "verdict"] = verdict
    return load_run(example.write(folder, changes=table))


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        ("intended", "latched onto “caregiver”, the concept that the author of the reward meant"),
        ("proxy:red", "latched onto “red”, a proxy that went along with “caregiver”"),
        ("mixed", "several concepts; none of them dominates"),
        ("none", "none of the concepts"),
        ("undetermined", "does not decide"),
    ],
)
def test_every_verdict_has_its_sentence(tmp_path: Path, verdict: str, sentence: str) -> None:
    found = Verdict().collect(run_with(tmp_path, {}, verdict))
    assert sentence in found["answer"].sentence and found["answer"].kind == verdict.split(":", 1)[0]
    assert "95\u00a0% interval" in found["answer"].evidence


def test_an_unheard_of_verdict_is_not_dressed_up(tmp_path: Path) -> None:
    found = Verdict().collect(run_with(tmp_path, {}, "\"><b>'"))
    assert found["answer"].kind == "unjudged" and "There is no verdict" in found["answer"].sentence


def sentences(run: RunData) -> str:
    found: dict[str, Any] = Margins().collect(run)
    return " ".join(found["sentences"])


def test_margins_of_a_concept_that_carries_and_one_that_does_not(tmp_path: Path) -> None:
    shares = {"caregiver": (0.5, 0.42, 0.6), "red": (0.0, -0.01, 0.01), "lamp": (0.0, -0.03, 0.01)}
    text = sentences(run_with(tmp_path, shares, "intended"))
    assert "“caregiver” carries value. It would stop carrying if the lower end of its interval, 42\u00a0%" in text
    assert "fell by 40 percentage points" in text
    assert "“red” does not carry value." in text and "rose by 3.0 percentage points, and the verdict would stay" in text
    assert "fell by 40 percentage points, and the verdict would become “none or undetermined”" in text
    assert "holds" not in text


def test_margins_when_two_carry(tmp_path: Path) -> None:
    shares = {"caregiver": (0.3, 0.25, 0.35), "red": (0.3, 0.25, 0.35), "lamp": (0.0, -0.01, 0.01)}
    text = sentences(run_with(tmp_path, shares, "mixed"))
    assert "holds 50\u00a0% of all carried shares" in text
    assert "“red” carries value." in text and "and the verdict would become “intended”" in text
    assert "cease to be mixed if that part rose by 25 percentage points, across 75\u00a0%" in text


def test_margins_when_nothing_carries(tmp_path: Path) -> None:
    names = ("caregiver", "red", "from_left", "lamp", "(interaction)")
    text = sentences(run_with(tmp_path / "a", dict.fromkeys(names, (0.0, -0.01, 0.01)), "none"))
    assert "the upper ends together make 5.0\u00a0%; 5.0 percentage points more would make" in text
    wide = sentences(run_with(tmp_path / "b", dict.fromkeys(names, (0.02, -0.05, 0.1)), "undetermined"))
    assert "yet the upper ends together make 50\u00a0%; a fall by 40 percentage points" in wide


def test_a_share_without_an_effect_does_not_carry(tmp_path: Path) -> None:
    table = example.table()
    at = (table["metric"] == "effect") & (table["concept"] == "caregiver") & table["seed"].isna()
    table.loc[at, ["estimate", "low", "high"]] = [0.0, -0.1, 0.1]
    text = sentences(load_run(example.write(tmp_path, changes=table)))
    assert "“caregiver” has a large enough share, but changing it alone may not move the value" in text


def test_disagreeing_seeds_are_counted(tmp_path: Path) -> None:
    run = load_run(example.write(tmp_path))
    assert Verdict().collect(run)["answer"].agreement == "6 training seeds judged one by one: 5 “intended”, 1 “mixed”."
    assert any("disagree" in text for text in Caveats().collect(run)["sentences"])


def test_caveats_come_from_the_data(tmp_path: Path) -> None:
    run = load_run(example.write(tmp_path / "few"))
    text = " ".join(Caveats().collect(run)["sentences"])
    assert "Only 6 training seeds" in text and "23\u00a0% of the value's variance follows neither" in text
    assert "undetermined" in text and "at most 0.5\u00a0% of its median: small" in text
    table = example.table()
    calm = table[(table["metric"] == "latch") & (table["seed"] == 0)]
    more = pd.concat([calm.assign(seed=seed) for seed in range(8)])
    text = " ".join(Caveats().collect(load_run(example.write(tmp_path / "many", changes=more)))["sentences"])
    assert "training seeds" not in text and "variance follows" not in text and "undetermined" not in text


def losses(*numbers: tuple[str, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(numbers, columns=["site", "estimate", "low", "high"])


def test_a_loss_counts_only_beyond_the_placebo() -> None:
    effect = losses(("a", 0.5, 0.4, 0.6), ("b", 0.5, 0.4, 0.6), ("c", 0.5, 0.4, 0.6))
    placebo = losses(("a", 0.1, 0.0, 0.2), ("b", 0.4, 0.3, 0.5))
    assert reading(effect, placebo).startswith("More is lost than by random erasures at 1 of 3 sites")
    bare = losses(("a", 0.1, np.nan, np.nan), ("b", 0.45, np.nan, np.nan))
    assert reading(effect, bare).startswith("More is lost than by random erasures at 1 of 3 sites")


def test_pairs_are_shown_with_concepts_in_turn() -> None:
    assert in_turn(["a", "a", "a", "b", "b"]) == [0, 3, 1, 4, 2]
