"""Each sentence on a case where the thing is there and one where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from imprint.models.files import write_table
from imprint.reports.reading.run import RunData, load_run
from imprint.reports.reading.tables import in_turn
from imprint.reports.sections.caveats import Caveats
from imprint.reports.sections.erasure import reading
from imprint.reports.sections.margins import Margins
from imprint.reports.sections.robustness import Robustness
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


def changed(folder: Path, metric: str, concept: str, numbers: dict[str, float]) -> RunData:
    """The example with other numbers over seeds for one metric of one concept."""
    table = example.table()
    at = (table["metric"] == metric) & (table["concept"] == concept) & table["seed"].isna() & (table["age"] == END)
    table.loc[at, list(numbers)] = list(numbers.values())
    return load_run(example.write(folder, changes=table))


def test_margins_say_on_which_side_of_the_threshold_dominance_lies(tmp_path: Path) -> None:
    text = sentences(load_run(example.write(tmp_path / "a")))
    assert (
        "“caregiver” holds 82\u00a0% of the variance that these concepts explain, 7.1 percentage points above" in text
    )
    assert "its interval lies above the threshold" in text
    near = {"estimate": 0.74, "low": 0.65, "high": 0.8}
    text = sentences(changed(tmp_path / "b", "dominance", "caregiver", near))
    assert "1.0 percentage points below 75\u00a0%: the threshold lies inside its interval, so the side is open" in text


def test_margins_of_a_concept_that_counts_and_one_that_does_not(tmp_path: Path) -> None:
    text = sentences(load_run(example.write(tmp_path)))
    assert "“caregiver” counts with probability > 99\u00a0%: it holds 55\u00a0% of the variance" in text
    assert (
        "“lamp” counts with probability < 1\u00a0%" in text
        and "below 4.0\u00a0%, which untrained networks reach" in text
    )
    assert "The proxy “lamp” is shown to be negligible" in text
    assert "The proxy “red” is not shown to be negligible" in text


def test_margins_name_an_effect_that_is_too_small(tmp_path: Path) -> None:
    text = sentences(changed(tmp_path, "effect", "caregiver", {"estimate": 0.1, "low": 0.0, "high": 0.2}))
    assert "changing it alone moves the value by 0.10 standard deviations, short of the 0.20 asked for" in text


def test_the_answer_names_the_word_its_runner_up_and_the_leader(tmp_path: Path) -> None:
    found = Verdict().collect(load_run(example.write(tmp_path)))
    first, second = found["answer"].summary
    assert first.endswith("meant (probability 97\u00a0%; next comes “mixed”, 3\u00a0%).")
    assert second.startswith("“caregiver” leads (probability > 99\u00a0%) with 82\u00a0%")
    assert second.endswith("of the value's whole variance it holds 55\u00a0%, and 33\u00a0% follows none of them.")
    assert found["answer"].odds == "“intended” 97\u00a0%, “mixed” 3\u00a0%"
    (figure,) = found["figures"]
    assert figure.plot["layout"]["shapes"][0]["x0"] == 0.75 and "lies below it" in figure.reading


def test_an_open_verdict_says_what_is_open_and_what_is_ruled_out(tmp_path: Path) -> None:
    table = example.table()
    for word, chance in (("intended", 0.48), ("mixed", 0.52)):
        table.loc[(table["metric"] == "probability") & (table["control"] == word), "estimate"] = chance
    table = table.sort_values("estimate", ascending=False, kind="stable")
    found = Verdict().collect(load_run(example.write(tmp_path, changes=table)))
    first = found["answer"].summary[0]
    assert first.startswith(
        "It is open, since no word reaches 95\u00a0%, whether the value latched onto several concepts"
    )
    assert (
        "(52\u00a0%), or “caregiver” alone (48\u00a0%); that it latched onto none of the concepts is ruled out."
        in first
    )


def test_analyses_that_all_agree_are_a_sentence_and_no_figure(tmp_path: Path) -> None:
    run = load_run(example.write(tmp_path))
    agree = run.findings["metric"].isin(("multiverse", "multiverse_word"))
    run.findings.loc[agree, "estimate"] = run.findings.loc[agree, "verdict"].isin(("", "intended")).astype(float)
    found = Robustness().collect(run)
    assert found is not None and [figure.id for figure in found["figures"]] == ["robustness-power-marks"]
    assert found["gist"] in found["sentences"][0] and "100\u00a0% say what the verdict says" in found["gist"]


def test_robustness_says_in_how_many_analyses_the_verdict_stands_and_what_could_be_shown(tmp_path: Path) -> None:
    run = load_run(example.write(tmp_path))
    found = Robustness().collect(run)
    assert found is not None
    choices, power = (figure.reading for figure in found["figures"])
    assert "Of 1,500 reasonable analyses, 90\u00a0% say what the verdict says" in choices
    assert "“undetermined” in 10\u00a0%" in choices
    assert "With 6 training seeds" in power and "named in 90\u00a0% of runs" in power
    assert found["tables"][1].frame.columns.tolist()[-2:] == ["nothing said", "wrong word said"]
    assert "Nobody can change “lamp” alone." in Caveats().collect(run)["sentences"]


def test_a_run_of_the_first_edition_is_shown_and_says_so(tmp_path: Path) -> None:
    folder = example.write(tmp_path)
    setup = yaml.safe_load((folder / "setup.yaml").read_text())
    setup["decision"] = {"carries": 0.02, "dominates": 0.75, "none_below": 0.1}
    (folder / "setup.yaml").write_text(yaml.safe_dump(setup))
    table = example.table()
    later = ["probability", "leads", "dominance", "carries", "ruled_out", "untrained_share", "residual"]
    write_table(folder / "findings.parquet", table[~table["metric"].isin(later)])
    run = load_run(folder)
    found = Verdict().collect(run)
    assert any("first edition" in text for _, text in found["alerts"])
    assert not found["answer"].summary and not found["figures"]
    assert "second edition" in Margins().collect(run)["missing"][0]


def test_disagreeing_seeds_are_counted(tmp_path: Path) -> None:
    run = load_run(example.write(tmp_path))
    said = Verdict().collect(run)["answer"].agreement
    assert said.startswith("6 training seeds judged one by one: 5 “intended”, 1 “mixed”. They differ")
    assert any("disagree" in text for text in Caveats().collect(run)["sentences"])


def test_caveats_come_from_the_data(tmp_path: Path) -> None:
    run = load_run(example.write(tmp_path / "few"))
    text = " ".join(Caveats().collect(run)["sentences"])
    assert "Only 6 training seeds" in text and "33\u00a0% of the value's variance follows neither" in text
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
