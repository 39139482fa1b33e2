"""Planted causes leave the traces they must, each rule reads them as it says, and the verdict follows the card."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.newborn import measure as pieces
from imprint.analyses.questions.newborn.question import LESS, decide, right


@pytest.fixture(scope="module")
def seen() -> tuple[pieces.Claims, dict[str, np.ndarray]]:
    """Thirty-two strong claims, and the excess of acts at A in each experiment (at B: ``swapped, B``)."""
    rng = torch.Generator().manual_seed(0)
    claims = pieces.planted(32, (3.0, 3.0), rng)
    counts = pieces.Newborns(claims, 8, rng).acts(40, rng)
    sizes = {group: pieces.size(counts, group) for group in pieces.GROUPS}
    return claims, sizes | {"swapped, B": pieces.size(counts, "swapped", "B")}


def of(seen: tuple[pieces.Claims, dict[str, np.ndarray]], cause: str, group: str) -> float:
    claims, sizes = seen
    return float(sizes[group][claims.of(cause).numpy()].mean())


def test_artefacts_are_seen_in_the_report_alone(seen: Any) -> None:
    assert of(seen, "artefact", "report") > 0.1
    assert all(abs(of(seen, "artefact", group)) < 0.05 for group in pieces.GROUPS[1:])


def test_what_was_learned_follows_experience_and_goes_with_the_learner(seen: Any) -> None:
    assert of(seen, "learned", "blind") > 0.2 and of(seen, "learned", "swapped, B") > 0.2
    assert abs(of(seen, "learned", "swapped")) < 0.1 and abs(of(seen, "learned", "no learner")) < 0.05
    claims, sizes = seen
    late = (claims.of("learned") & claims.kind & ~claims.frail).numpy()
    early = (claims.of("learned") & ~claims.kind).numpy()
    assert sizes["silent"][late].mean() > 0.2 > 0.1 > sizes["silent"][early].mean()
    carried = (claims.of("learned") & claims.carried).numpy()
    free = (claims.of("learned") & ~claims.carried).numpy()
    assert sizes["no steering"][free].mean() > 0.15 and abs(sizes["no steering"][carried].mean()) < 0.05


@pytest.mark.parametrize(
    ("cause", "needs", "spares"), [("steering", "no steering", "no learner"), ("wired", "no learner", "no steering")]
)
def test_innate_acts_survive_other_rearing_and_go_with_one_lesion(
    seen: Any, cause: str, needs: str, spares: str
) -> None:
    assert of(seen, cause, "swapped") > 0.2 > abs(of(seen, cause, "swapped, B"))
    assert of(seen, cause, spares) > 0.15 and abs(of(seen, cause, needs)) < 0.05


def test_surgery_and_a_silent_womb_cost_vigour(seen: Any) -> None:
    assert of(seen, "steering", "sham") < of(seen, "steering", "blind")
    claims, sizes = seen
    frail, well = ((claims.of("steering") & which).numpy() for which in (claims.frail, ~claims.frail))
    assert sizes["silent"][frail].mean() < sizes["silent"][well].mean() - 0.1


# -- rules -------------------------------------------------------------------------------------------------------------

TRACES: dict[str, dict[str, float]] = {
    "artefact": {"report": 0.4},
    "learned": {"report": 0.4, "blind": 0.4, "swapped, B": 0.4, "silent": 0.1, "sham": 0.3, "no steering": 0.3},
    "steering": {"report": 0.4, "blind": 0.4, "swapped": 0.4, "silent": 0.3, "sham": 0.3, "no learner": 0.3},
    "wired": {"report": 0.4, "blind": 0.4, "swapped": 0.4, "silent": 0.3, "sham": 0.3, "no steering": 0.3},
}


def counted(trace: dict[str, float]) -> pieces.Counts:
    """Shares of one claim on eight newborns with these excesses."""
    noise = 0.02 * np.cos(np.arange(8))[None]
    counts = {(group, "comparison"): 0.2 + noise for group in pieces.GROUPS}
    counts |= {(group, "A"): 0.2 - noise + trace.get(group, 0.0) for group in pieces.GROUPS}
    return counts | {(group, "B"): 0.2 - noise + trace.get(f"{group}, B", 0.0) for group in pieces.GROUPS}


def test_each_rule_reads_traces_as_it_says() -> None:
    named = {
        cause: {rule: str(v[0]) for rule, v in pieces.attributed(counted(t)).items()} for cause, t in TRACES.items()
    }
    assert all(named[cause]["tree"] == cause for cause in TRACES)
    assert {each["naive"] for each in named.values()} == {"wired"}
    assert named["artefact"]["not blind"] != "artefact" == named["artefact"]["no lesions"]
    assert named["learned"]["no rearing"] == "wired" and named["steering"]["no lesions"] == "wired"
    carried = {**TRACES["learned"], "no steering": 0.0, "no learner": 0.1}
    assert str(pieces.attributed(counted(carried))["lesions first"][0]) == "steering"
    late = pieces.attributed(counted({**TRACES["learned"], "silent": 0.4}))
    assert str(late["tree"][0]) == "learned" and str(late["silent womb"][0]) == "wired"


def rates(**changes: float) -> pd.DataFrame:
    """Finished shares of eight seeds by arm and rule; ``changes``: rule (with underscores) or arm -> share."""
    base = {"tree": 0.95, "naive": 0.3, **dict.fromkeys(LESS, 0.75), "lesions first": 0.8}
    base |= {rule: changes.get(rule.replace(" ", "_"), value) for rule, value in base.items()}
    arms = {
        "main": base,
        "no act": {"tree": changes.get("no_act", 0.98)},
        "ample": {"tree": changes.get("ample", 0.99)},
    }
    return pd.DataFrame(
        [
            {"arm": arm, "rule": rule, "seed": seed, "right": value + noise}
            for arm, rules in arms.items()
            for rule, value in rules.items()
            for seed, noise in enumerate(0.01 * np.cos(np.arange(8)))
        ]
    )


@pytest.mark.parametrize(
    ("change", "worst", "verdict"),
    [
        ({}, 0.9, "confirmed"),
        ({"tree": 0.85}, 0.9, "refuted"),
        ({"naive": 0.8}, 0.9, "refuted"),
        ({"silent_womb": 0.9}, 0.9, "refuted"),
        ({}, 0.7, "refuted"),
        ({"tree": 0.9}, 0.9, "undetermined"),
        ({"no_act": 0.8}, 0.9, "undetermined"),
        ({"ample": 0.9, "tree": 0.85}, 0.9, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], worst: float, verdict: str) -> None:
    causes = pd.DataFrame(
        [
            {"rule": "tree", "cause": cause, "seed": seed, "right": value + 0.01 * np.cos(seed)}
            for cause, value in zip(pieces.CAUSES, (0.95, worst, 0.95, 0.95), strict=True)
            for seed in range(8)
        ]
    )
    assert decide(rates(**change), causes)[0] == verdict


def test_shares_are_counted_by_seed() -> None:
    rules = {rule: ["wired", "learned", "wired", "wired"] for rule in pieces.RULES}
    about = {"arm": "main", "seed": [0, 0, 1, 1], "claim": [0, 1, 0, 1], "cause": "wired", "strength": 1.0}
    assert right(pd.DataFrame({**about, **rules}), ["rule"]).query("rule == 'tree'")["right"].tolist() == [0.5, 1.0]


def test_a_small_set_runs_from_end_to_end() -> None:
    question = load_question("newborn", {"seeds": 2, "claims": 16, "newborns": 4, "trials": 4})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    answer = question.conclude(tables, {})
    assert {e.name for e in answer.exhibits} == {"rules", "confused", "strength", "seeds"}
    assert len(answer.predictions) == 9 and "names" in answer.sentence
