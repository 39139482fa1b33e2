"""Benchmark of what the same reward latches onto in every learner, taught by every rule that can teach it.

    python -m benchmarks.latch_by_rule                     all of them, six seeds in six worlds of the nursery
    python -m benchmarks.latch_by_rule --only memory --only conv --seeds 2 --set schedule.experiences=6400

Every line is a whole run of the setup ``nursery`` (``imprint run``) with another learner or rule and nothing else
changed; lives and examinations are shorter than the setup's own (:data:`SHORTER`), so that all lines together take some
forty CPU-minutes. Runs are kept in ``--out``, and one that is finished is read. It is a description, not a test: no
line was predicted, and learners differ in size, objective and in how well they learn. Columns:

    known       selectivity of the intended concept at its best site (score above the highest floor, at the last age)
    hidden      the same of who is behind the screen, which only what was remembered can tell
    dominance   the intended concept's part of all value that a declared concept carries
    most        the declared concept that carries most, with its part
    rest        part of the value's variance that no declared concept explains; where it is near 1, dominance is that
                of next to nothing
    words       probability of every word that has at least .05
    controls    planted learners judged right, of all
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import pandas as pd
import yaml

from imprint.analyses.evaluate.evaluate import evaluate
from imprint.models.errors import ImprintError
from imprint.models.learners.base import LEARNERS
from imprint.models.setup.teaching import rules_of

SHORTER: dict[str, Any] = {
    "schedule.experiences": 25_600,
    "schedule.ages": 2,
    "evaluation.episodes": 600,
    "evaluation.nulls": 5,
    "evaluation.twins": 2,
    "evaluation.placebos": 2,
    "evaluation.latch_twins": 6,
    "evaluation.resamples": 300,
    "concepts": ["caregiver_hidden"],
}
DIALS: dict[str, dict[str, dict[str, Any]]] = {
    "conv": {
        "conv": {},
        "conv locally connected": {"kernels": 21},
        "conv fully connected": {"kernels": 21, "reach": 6},
    },
    "memory": {f"memory {store}": {"store": store} for store in ("pairs", "hopfield")},
}
"""Learners that are several lines: name -> settings. A frame of the nursery has 3 x 7 tiles."""
SEEDS = 6
INTENDED, HIDDEN = "caregiver", "caregiver_hidden"


def arms() -> dict[str, dict[str, Any]]:
    """Name of every line -> what it changes in the setup. Latents that do not learn are the same by every rule."""
    found: dict[str, dict[str, Any]] = {}
    for learner in LEARNERS.names():
        for name, dial in DIALS.get(learner, {learner: {}}).items():
            own = {"learner": {"kind": learner, **dial}}
            rules = rules_of(learner) or (None,)
            for rule in rules if LEARNERS.load(learner).latents_learn else rules[:1]:
                taught = {} if rule is None else {"rule": {"kind": rule}}
                found[f"{name}, {rule or 'written'}"] = own | taught
    return found


def line(findings: pd.DataFrame) -> dict[str, Any]:
    """The columns of one run."""
    last = findings[findings["seed"].isna() & (findings["age"].isna() | (findings["age"] == findings["age"].max()))]

    def of(metric: str, concept: str) -> str:
        rows = last[(last["metric"] == metric) & (last["concept"] == concept)]
        return "not measured" if rows.empty or rows["estimate"].isna().all() else ranged(rows.iloc[0])

    parts = last[(last["metric"] == "dominance") & last["estimate"].notna()].sort_values("estimate", ascending=False)
    words = last[(last["metric"] == "probability") & last["estimate"].ge(0.05)]
    words = words.sort_values("estimate", ascending=False)
    said = [f"{word} {p:.2f}" for word, p in zip(words["control"], words["estimate"], strict=True)]
    verdict = last[(last["analysis"] == "latch") & (last["metric"] == "latch")]
    checks = findings[(findings["analysis"] == "planted") & (findings["metric"] == "self_check")]
    return {
        "known": of("best_site_selectivity", INTENDED),
        "hidden": of("best_site_selectivity", HIDDEN),
        "dominance": of("dominance", INTENDED),
        "most": "none" if parts.empty else f"{parts.iloc[0]['concept']} {ranged(parts.iloc[0])}",
        "rest": of("share", "(residual)"),
        "said": "no verdict" if verdict.empty else str(verdict.iloc[0]["verdict"]),
        "words": ", ".join(said) or "none",
        "seeds": 0 if verdict.empty or pd.isna(verdict.iloc[0]["seeds"]) else int(verdict.iloc[0]["seeds"]),
        "controls": f"{int((checks['estimate'] == 1).sum())} of {len(checks)}",
    }


def ranged(row: Mapping[str, Any]) -> str:
    """An estimate with its interval."""
    return f"{row['estimate']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def main() -> None:
    """Print the table, line by line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", action="append", default=[], help="lines whose name has this in it; can be repeated, and is the order"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting")
    parser.add_argument("--out", default="runs")
    options = parser.parse_args()
    own = {key: yaml.safe_load(value) for key, _, value in (each.partition("=") for each in options.set)}
    of_seeds = dict.fromkeys(("schedule.worlds", "schedule.together"), options.seeds)
    common = {**SHORTER, "schedule.first_seed": options.first_seed, **of_seeds, **own}
    header = None
    every = arms()
    for name in dict.fromkeys(name for part in options.only or [""] for name in every if part in name):
        try:
            run = evaluate("nursery", seeds=options.seeds, out=options.out, changes={**common, **every[name]})
            row = {"learner, rule": name, **line(run.findings)}
        except ImprintError as error:
            print(f"| {name} | no run: {error}", flush=True)
            continue
        if header is None:
            header = list(row)
            print("| " + " | ".join(header) + " |\n|" + "---|" * len(header), flush=True)
        print("| " + " | ".join(map(str, row.values())) + " |", flush=True)


if __name__ == "__main__":
    main()
