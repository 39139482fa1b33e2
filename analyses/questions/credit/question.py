"""credit: which of several concepts does a reward paint?

Cues of the nursery (a colour, a lamp, a side) are shown in compounds to learners that grew by predicting alone, and a
linear valence on their latents is taught by the three-factor rule. Blocking, overshadowing and novelty are those of
conditioning in animals; what is measured, with all controls: :mod:`imprint.analyses.questions.credit.measure`.

What can be foreseen and what cannot: on latents of which each cue has its own, all three follow from the rule, and the
planted basis checks no more than that. Not settled beforehand is how far they survive in latents as they are learned,
where cues overlap and one network's latent for a lamp may move with the light of a figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.findings import findings
from imprint.analyses.predictions import Prediction, judged
from imprint.analyses.questions.base import Answer, Card, Chart, Exhibit, Question, QuestionSettings, Work
from imprint.analyses.questions.credit import measure as credit_pieces
from imprint.analyses.statistics import mean_of_all
from imprint.analyses.verdicts import Conclusion
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup

BASIS = "as learned"
EXACT = 1e-5
LEARNED = 0.5
MEASURES = ("blocking ratio", "shuffled ratio", "share of the more salient", "novel less familiar")


class Settings(QuestionSettings):
    """How much is grown and taught."""

    seeds: int = Field(8, ge=2)
    """Training seeds, numbered from ``seed``."""
    together: int = Field(4, ge=1)
    """Seeds that grow as one batch."""
    experiences: int = Field(25_600, ge=64)
    """Episodes of a learner's life."""
    updates: int = Field(400, ge=1)
    """Steps of the rule in a phase."""
    learner: str = "recurrent"
    """Kind of learner whose latents are painted."""


class Credit(Question[Settings]):
    """Blocking, overshadowing and novelty in learned latents."""

    card: ClassVar[Card] = Card(
        question="Which of several concepts that are there together does a reward paint?",
        prediction="The one that is not yet explained (blocking), the more salient one (overshadowing) and the newer "
        "one, also in latents as a learner grew them; and attribution says exactly where the credit went.",
        refuted_if="One of the numbers lies with its whole interval on the wrong side of its bound.",
        decision=f"In the latents as they were learned, over seeds. A cue that is paid alone must reach a strength of "
        f"at least {LEARNED:g} (mean over cues, lower end), or nothing is decided, since what was not learned cannot "
        "block. Strength of cues beside a cue that was paid before, at most 0.2 of their strength beside one that was "
        "not; the same ratio after pay at random at least 0.5; the more salient cue's part of a compound's strength at "
        "least 0.5; strength of new cues less that of familiar ones at least 0; integrated gradients within "
        f"{EXACT:g} of w * (z - z0) in every seed. Student's 95 % intervals wholly inside: confirmed; one wholly "
        "outside: refuted; otherwise undetermined. Whitened and planted latents and newborn learners are shown, not "
        "judged.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, posts 7 and 9; Rescorla & Wagner 1972; Kamin 1969.",
    )

    def work(self) -> list[Work]:
        """One piece per batch of seeds, and the same learners as newborns."""
        s = self.settings
        changes = {"learner": {"kind": s.learner}, "schedule.experiences": s.experiences}
        setup = load_setup("nursery", changes=changes, expect=Setup).resolved()
        numbers = list(range(s.seed, s.seed + s.seeds))
        parts = [numbers[i : i + s.together] for i in range(0, s.seeds, s.together)]
        return [
            Work(f"{name}-{part[0]}", credit_pieces.measure,
                 {"setup": setup, "seeds": part, "updates": s.updates, "newborn": name == "newborn"})
            for name, part in (*(("grown", part) for part in parts), ("newborn", parts[0]))
        ]  # fmt: skip

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The five numbers."""
        grown = [table for name, table in tables.items() if name.startswith("grown")]
        if not grown or any(name.startswith("grown") for name in failed):
            return Answer("undetermined", f"Seeds are missing: {'; '.join(failed.values())}", findings([]), ())
        newborn = [t.assign(basis="newborn, " + t["basis"]) for name, t in tables.items() if name.startswith("newborn")]
        newborn = [t[t["basis"] != "newborn, planted"] for t in newborn]
        table = pd.concat([*grown, *newborn], ignore_index=True)
        verdict, why = decide(table)
        why += "".join(f" {name} failed." for name in failed)
        shown = _shown(table)
        return Answer(verdict, why, _findings(verdict, why, shown, table), _exhibits(shown, table))


def _values(table: pd.DataFrame, measure: str, basis: str = BASIS, cue: str = "all") -> pd.Series:
    rows = table[(table["measure"] == measure) & (table["basis"] == basis) & (table["cue"] == cue)]
    return rows.set_index("seed")["value"].sort_index()


def _alone(table: pd.DataFrame) -> pd.Series:
    """Strength of cues that were paid alone, per seed."""
    rows = table[(table["measure"] == "strength, alone") & (table["basis"] == BASIS)]
    return rows.groupby("seed")["value"].mean()


def decide(table: pd.DataFrame) -> tuple[Conclusion, str]:
    """The card's rule."""
    bounds = {"blocking ratio": {"most": 0.2}, "shuffled ratio": {"least": 0.5},
              "share of the more salient": {"least": 0.5}, "novel less familiar": {"least": 0.0}}  # fmt: skip
    gate = Prediction("strength of a cue paid alone", mean_of_all(_alone(table)), least=LEARNED)
    verdict, said = judged(
        [Prediction(name, mean_of_all(_values(table, name)), **bound) for name, bound in bounds.items()]
    )
    worst = float(_values(table, "attribution error").max())
    said += f"; integrated gradients are off by at most {worst:.2g}"
    if not gate.measured.low >= LEARNED:
        return "undetermined", f"{gate}: cues that were not learned cannot block. {said}."
    return ("refuted" if worst >= EXACT else verdict), f"{gate}; {said}."


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (basis, measure, cue), part in table.groupby(["basis", "measure", "cue"], sort=False):
        rows.append({"basis": basis, "measure": measure, "cue": cue, **mean_of_all(part["value"]).row("value")})
    return pd.DataFrame(rows)


def _exhibits(shown: pd.DataFrame, table: pd.DataFrame) -> tuple[Exhibit, ...]:
    main = shown[(shown["cue"] == "all") & shown["measure"].isin(MEASURES)]
    strengths = shown[shown["measure"].str.startswith("strength")].copy()
    strengths["measure"] = strengths["measure"].str.removeprefix("strength, ")
    ratio = main[main["measure"] == "blocking ratio"].set_index("basis")["value"]
    errors = shown[shown["measure"] == "attribution error"]
    said = ", ".join(f"{value:.2f} ({basis})" for basis, value in ratio.items())
    return (
        Exhibit("numbers", "Blocking, overshadowing, novelty", main, f"Blocked cues keep {said} of their strength.",
                "Ratios and shares over all ordered pairs of cues; 95 % interval over seeds.",
                Chart("points", "measure", "value", "measure", "ratio, share or strength", low="low", high="high",
                      colour="basis")),
        Exhibit("strengths", "How strong each cue becomes", strengths,
                f"Strengths of {strengths['cue'].nunique()} cues and pairs.",
                "Change of the value when the cue is shown alone after the training named by the colour (pay is 1); "
                "95 % interval over seeds.",
                Chart("points", "cue", "value", "cue and what it was shown with", "strength", low="low", high="high",
                      colour="measure", panel="basis")),
        Exhibit("attribution", "Integrated gradients beside w * (z - z0)", errors,
                f"The largest difference anywhere is {errors['value'].max():.2g} (mean over seeds).",
                "Largest absolute difference over latents, rows and ways of training, in units of value."),
        Exhibit("seeds", "Every seed", table[table["cue"] == "all"], f"{table['seed'].nunique()} seeds."),
    )  # fmt: skip


def _findings(verdict: Conclusion, why: str, shown: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    rows: list[dict[str, Any]] = [{"metric": "credit", "verdict": verdict, "why": why}]
    for r in shown.to_dict("records"):
        about = {"metric": r["measure"].replace(" ", "_"), "concept": r["cue"], "control": _control(r["basis"])}
        rows.append({**about, "estimate": r["value"], "low": r["low"], "high": r["high"], "seeds": r["seeds"]})
    for r in table[table["cue"] == "all"].to_dict("records"):
        rows.append({"metric": r["measure"].replace(" ", "_"), "concept": r["cue"], "estimate": r["value"],
                     "seed": r["seed"], "seeds": 1, "control": _control(r["basis"])})  # fmt: skip
    return findings([{"analysis": "credit", **row} for row in rows])


def _control(basis: str) -> str | None:
    return None if basis == BASIS else basis
