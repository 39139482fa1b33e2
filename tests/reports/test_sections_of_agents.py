"""Sections about agents: each sentence where the thing is there and where it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.verdicts import INCAPABLE
from imprint.reports.answers.agents import said
from imprint.reports.figures.series import place_of
from imprint.reports.pages.run import collect
from imprint.reports.reading.agents import after_erasing, causal_sentence, overtakings, tried
from imprint.reports.reading.run import RunData, load_run
from imprint.reports.sections.behaviour import Behaviour
from imprint.reports.sections.caveats import Caveats
from imprint.reports.sections.latch_curve import LatchCurve
from imprint.reports.sections.verdict import Verdict
from tests.reports import example_agent_run as example
from tests.reports.example_agent_run import END, pooled_at, run_of


@pytest.fixture(scope="module")
def run(agent_page: Path) -> RunData:
    return load_run(agent_page.parent)


def test_a_page_of_agents_leaves_out_what_is_about_values(run: RunData) -> None:
    sections, _, broken = collect(run)
    assert broken == []
    names = [section["id"] for section in sections]
    assert names[:6] == ["verdict", "worlds", "behaviour", "latch_curve", "replay", "policy_field"]
    assert not {"shares", "effects", "erasure", "attribution", "margins", "grid"} & set(names)
    assert all(not section["missing"] for section in sections)


def test_a_page_about_values_has_no_section_of_agents(page: Path) -> None:
    names = {section["id"] for section in collect(load_run(page.parent))[0]}
    assert not {"behaviour", "latch_curve", "replay", "policy_field"} & names


def test_capability_and_goal_are_two_numbers(tmp_path: Path) -> None:
    table = example.table()
    for metric, value in (("capability", 0.96), ("goal", 0.14)):
        at = pooled_at(table, "behaviour", metric=metric, control="apart")
        table.loc[at, ["estimate", "low", "high"]] = [value, value - 0.02, value + 0.02]
    found = Verdict().collect(run_of(tmp_path, table))
    assert [rate for rate, _, _ in found["answer"].rates] == ["96\u00a0%", "14\u00a0%"]
    assert [spread for _, _, spread in found["answer"].rates] == [
        "95\u00a0% interval 94\u00a0% to 98\u00a0%, 5 training seeds",
        "95\u00a0% interval 12\u00a0% to 16\u00a0%, 5 training seeds",
    ]


def test_numbers_that_were_not_measured_are_not_zero(tmp_path: Path) -> None:
    table = example.table()
    table = table[table["analysis"] != "behaviour"]
    found = Verdict().collect(run_of(tmp_path, table))
    assert [rate for rate, _, _ in found["answer"].rates] == ["not measured", "not measured"]


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        ("intended", "pursue “coin”, the goal that the author of the reward meant"),
        ("proxy:corner", "pursue “corner”, a proxy that went along with “coin”"),
        ("mixed", "several goals; none of them dominates"),
        ("undetermined", "does not decide"),
        ("none", "There is no verdict"),
    ],
)
def test_every_verdict_on_agents_has_its_sentence(tmp_path: Path, verdict: str, sentence: str) -> None:
    table = example.table()
    table.loc[(table["analysis"] == "latch") & table["seed"].isna(), "verdict"] = verdict
    found = Verdict().collect(run_of(tmp_path, table))
    assert sentence in found["answer"].sentence
    assert found["answer"].agreement.startswith("5 training seeds judged one by one: 4 “intended”, 1 “proxy:corner”.")


def with_erasure(folder: Path, erased: tuple[float, float, float], random: tuple[float, float, float]) -> RunData:
    table = example.table()
    for control, numbers in (("erased", erased), ("random", random), ("random in span", random)):
        at = pooled_at(table, "causal", metric="goal", concept="coin", control=control)
        table.loc[at, ["estimate", "low", "high"]] = list(numbers)
    return run_of(folder, table)


def test_a_loss_beyond_random_erasures_is_called_acting_on_it(tmp_path: Path) -> None:
    text = causal_sentence(with_erasure(tmp_path, (0.25, 0.2, 0.3), (0.8, 0.75, 0.85)), "coin")
    assert "with “coin” erased from their activations, the agents reach it first in 25\u00a0%" in text
    assert "in 80\u00a0% with as many random directions erased: they act on it" in text


def test_a_loss_that_random_erasures_share_is_not(tmp_path: Path) -> None:
    text = causal_sentence(with_erasure(tmp_path, (0.25, 0.2, 0.3), (0.3, 0.25, 0.35)), "coin")
    assert "not shown that they act on it" in text


def test_without_random_erasures_nothing_is_claimed(tmp_path: Path) -> None:
    table = example.table()
    run = run_of(tmp_path, table[~table["control"].isin(["random", "random in span"])])
    assert "may be mere damage" in causal_sentence(run, "coin")


def test_without_erasures_the_answer_says_so(tmp_path: Path) -> None:
    table = example.table()
    found = Verdict().collect(run_of(tmp_path, table[table["analysis"] != "causal"]))
    assert "was not tested" in found["answer"].evidence


def test_edits_are_those_of_goals_and_the_controls_matched_to_them(run: RunData) -> None:
    edits = set(after_erasing(run, "coin")["edit"])
    assert edits == {"intact", "without coin", "without corner", "random", "random in span"}
    assert len(after_erasing(run, "coin")) == 5 * len(example.AGES)


def test_a_control_names_an_agent_or_a_design(run: RunData) -> None:
    rows = tried(run, "goal").drop_duplicates("control").set_index("control")[["agent", "design"]]
    assert {control: tuple(row) for control, row in rows.iterrows()} == {
        "apart": ("trained", "apart"),
        "only_intended": ("trained", "only_intended"),
        "untrained": ("untrained", "apart"),
        "random reward": ("random reward", "apart"),
    }


def test_untrained_and_random_reward_agents_stand_beside_the_trained(run: RunData) -> None:
    found = Behaviour().collect(run)
    assert found is not None
    goal = next(figure for figure in found["figures"] if figure.heading.startswith("Goal"))
    assert [t["name"] for t in goal.plot["data"] if "name" in t] == ["trained", "untrained", "random reward"]
    dots = [t for t in goal.plot["data"] if "text" in t]
    assert [len(t["x"]) for t in dots] == [10, 0, 0]
    assert "; untrained 30\u00a0%; random reward 29\u00a0%." in goal.reading


def test_a_missing_floor_is_named(tmp_path: Path) -> None:
    table = example.table()
    found = Behaviour().collect(run_of(tmp_path, table[table["control"] != "random reward"]))
    assert found is not None and found["missing"] == ["No random reward agent was tried, so the floor is not known."]


def test_the_crossing_is_given_per_seed_and_marked(run: RunData) -> None:
    crossed = overtakings(run).set_index("seed")["age"]
    assert crossed.loc[:3].between(262144, 1048576).all() and np.isnan(crossed.loc[4])
    found = LatchCurve().collect(run)
    assert found is not None
    first = found["figures"][0]
    assert "in 4 of 5 seeds" in first.reading and "not ahead at the last age in 1 of 5 seeds" in first.reading
    assert "capability falls to" in first.reading
    ages = list(example.AGES)
    assert sorted(shape["x0"] for shape in first.plot["layout"]["shapes"]) == pytest.approx(
        sorted(place_of(age, ages) for age in crossed.dropna())
    )


def test_without_a_dip_none_is_reported(tmp_path: Path) -> None:
    table = example.table()
    at = (table["analysis"] == "behaviour") & (table["metric"] == "capability")
    table.loc[at, "estimate"] = 0.9
    found = LatchCurve().collect(run_of(tmp_path, table))
    assert found is not None and "falls" not in found["figures"][0].reading


def test_all_curves_share_one_axis_of_time(run: RunData) -> None:
    found = LatchCurve().collect(run)
    assert found is not None and len(found["figures"]) == 5
    layouts = [figure.plot["layout"] for figure in found["figures"]]
    assert all(layout["xaxis"] == layouts[0]["xaxis"] for layout in layouts)
    assert all(layout["margin"]["l"] == layouts[0]["margin"]["l"] for layout in layouts)
    thin = [t for t in found["figures"][0].plot["data"] if t.get("line", {}).get("width") == 0.8]
    assert len(thin) == 3 * len(example.SEEDS)


def test_a_causal_line_at_one_age_is_rows_not_a_curve(tmp_path: Path) -> None:
    found = LatchCurve().collect(run_of(tmp_path, example.table(causal_ages=(END,))))
    assert found is not None
    line = next(figure for figure in found["figures"] if figure.heading.startswith("Causal"))
    assert line.plot["layout"]["yaxis"]["ticktext"][:2] == ["intact", "without coin"]
    assert line.caption == "Measured at 1,507,328 experiences only."


def test_an_index_whose_fit_is_too_weak_is_not_reported(tmp_path: Path) -> None:
    table = example.table()
    at = (table["metric"] == "latch_index") & (table["age"] == END).fillna(False)
    table.loc[at, ["estimate", "low", "high"]] = np.nan
    table.loc[at, "why"] = "R2 is 0.004"
    found = LatchCurve().collect(run_of(tmp_path, table))
    assert found is not None
    assert found["figures"][1].reading == "No latch index at 1,507,328 experiences: R2 is 0.004."


def test_a_score_that_was_not_chosen_apart_says_so(tmp_path: Path) -> None:
    table = example.table()
    at = ((table["metric"] == "best_site_score") & (table["concept"] == "coin_way")).fillna(False).astype(bool)
    table.loc[at, "metric"] = "score"
    high = table[at].assign(site="hook_in", estimate=0.999)
    found = LatchCurve().collect(run_of(tmp_path, pd.concat([table, high], ignore_index=True)))
    assert found is not None
    reading = found["figures"][-1].reading
    assert "“coin_way” 1.00 (the highest of all sites)" in reading and reading.count("highest") == 1


def test_lines_that_were_not_measured_are_named(tmp_path: Path) -> None:
    table = example.table()
    found = LatchCurve().collect(run_of(tmp_path, table[~table["analysis"].isin(["critic", "locate"])]))
    assert found is not None
    assert found["missing"] == ["Not in the findings: critic and decodability."]


def test_lost_competence_is_a_caveat(tmp_path: Path) -> None:
    table = example.table()
    at = pooled_at(table, "behaviour", metric="capability", control="apart")
    table.loc[at, "estimate"] = 0.5
    assert "succeed in 9" in " ".join(Caveats().collect(run_of(tmp_path / "c", table))["sentences"])
    assert "lost competence" in " ".join(Caveats().collect(run_of(tmp_path / "a", table))["sentences"])
    table.loc[at, "estimate"] = 0.93
    text = " ".join(Caveats().collect(run_of(tmp_path / "b", table))["sentences"])
    assert "lost competence" not in text and "One environment (coin)" in text


def test_every_analysis_of_an_agent_run_may_be_missing(tmp_path: Path) -> None:
    whole = example.table()
    tables = {name: whole[whole["analysis"] != name] for name in whole["analysis"].unique()}
    tables |= {"all": whole.iloc[:0], "numbers": whole.assign(estimate=np.nan, low=np.nan, high=np.nan)}
    for name, table in tables.items():
        run = run_of(tmp_path / name, table)
        found = [section().collect(run) for section in (Verdict, Behaviour, LatchCurve, Caveats)]
        assert all(part is not None for part in found), name
        assert ("There is no verdict" in str(found[0])) == (name in ("latch", "all"))


def test_an_agent_run_with_a_lost_setup_is_still_about_agents(tmp_path: Path) -> None:
    folder = example.write(tmp_path)
    (folder / "setup.yaml").unlink()
    names = [section["id"] for section in collect(load_run(folder))[0]]
    assert "behaviour" in names and "shares" not in names


def test_seeds_of_agents_that_learned_nothing_are_not_counted(tmp_path: Path) -> None:
    table = example.table()
    twins = table[(table["control"] == "untrained").fillna(False)].assign(seed=17)
    run = run_of(tmp_path, pd.concat([table, twins], ignore_index=True))
    assert run.seeds == list(example.SEEDS)


def test_an_erasure_that_could_not_be_done_gives_its_reason(tmp_path: Path) -> None:
    table = example.table()
    lost = table[table["analysis"] == "causal"].head(1).assign(control="", estimate=np.nan, why="not finite.")
    run = run_of(tmp_path, pd.concat([table[table["analysis"] != "causal"], lost], ignore_index=True))
    assert after_erasing(run, "coin").empty and causal_sentence(run, "coin") == ""
    found = LatchCurve().collect(run)
    assert found is not None
    assert found["missing"] == ["Not in the findings: causal line.", "Erasing was not measured: not finite."]


def test_a_page_with_one_seed_stands(tmp_path: Path) -> None:
    table = example.table()
    run = run_of(tmp_path, table[(table["seed"] == 0).fillna(False)])
    assert Behaviour().collect(run) and LatchCurve().collect(run)
    assert Verdict().collect(run)["answer"].rates[0][0] != "not measured"


# -- replay ------------------------------------------------------------------------------------------------------------


def test_the_answer_about_agents_names_the_word_its_runner_up_and_what_leads(tmp_path: Path) -> None:
    run = load_run(example.write(tmp_path))
    found = Verdict().collect(run)
    first, second = found["answer"].summary
    assert first.startswith("The agents pursue “coin”") and "(probability 9" in first
    assert second.startswith("“coin” leads (probability 99\u00a0%) with 93\u00a0%")
    assert "of the levels in which anything is reached" in second
    assert found["level"].startswith("Level of evidence: exploratory (the rule was not registered")
    assert found["figures"][0].id == "verdict-dominance"


def test_agents_that_reach_too_little_are_said_to_instead_of_being_left_open() -> None:
    why = f"Capability is -0.01 above that of the most capable untrained agent: {INCAPABLE}."
    assert said("undetermined", why, "coin").startswith("The agents are not shown to be more capable than untrained")
    assert said("undetermined", "Two words are open.", "coin") == "The evidence does not decide what the agents pursue."
    assert said("intended", why, "coin").startswith("The agents pursue “coin”")
