"""scorecard: are labelled assessors, one for each innate outcome, a monitor of what an agent is about to run into?

The steering side has a few innate outcomes (food, warmth, being struck, ...). For each of them an assessor learns, from
what the agent's network holds, to foretell it. That is a readout with a label on it that nobody had to search for. What
it is worth as a monitor is measured on lives that taught nothing: does it tell what comes soon, is what it foretells as
much as comes, how long before does it tell, is that more than as many unsupervised components give with the same steps
to learn from? And what of an outcome for which evolution made no channel?
(:mod:`imprint.analyses.questions.scorecard.measure`.)

The agents are raised on food and safety; reaching the stranger is worth nothing to them, and is the novel outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.findings import findings
from imprint.analyses.predictions import Prediction, judged
from imprint.analyses.questions.base import Answer, Card, Chart, Exhibit, Question, QuestionSettings, Work
from imprint.analyses.questions.scorecard.measure import CHANNELS, DISCOUNT, HORIZON, LEAST, NOVEL, monitored
from imprint.analyses.raising.lives import WORTH
from imprint.analyses.statistics import mean_of_all
from imprint.analyses.verdicts import Conclusion
from imprint.models.setup.load import load_setup

GOOD, GAIN, BLIND, SEEN = 0.9, 0.05, (0.4, 0.6), 0.7
FEW, ALL = f"{len(CHANNELS)} components", "all that can be read"
WORLD = {
    "kind": "meadow", "size": 9, "food_at_mother": 0.5, "stranger_look": 0.3, "metabolism": 0.025, "predators": 0.08,
    "dive": 8, "limit": 60,
}  # fmt: skip


class Settings(QuestionSettings):
    """How long agents live and how much the scorecard sees of them."""

    seeds: int = Field(10, ge=3)
    """Agents, each with a scorecard of its own."""
    experiences: int = Field(400_000, ge=16_384)
    """Length of an agent's lifetime in steps."""
    lives: int = Field(600, ge=20)
    """Lives that teach the assessors and probes, and as many on which they are judged."""
    updates: int = Field(4000, ge=1)
    """Lessons of the assessors."""


class Scorecard(Question[Settings]):
    """An array of labelled assessors as a monitor."""

    card: ClassVar[Card] = Card(
        question="Is an array of labelled assessors a monitor of what an agent is about to run into, and what does it "
        "not see?",
        prediction="Read on an agent's activations, assessors taught by innate outcomes tell which outcome comes soon, "
        "better than probes of as many principal components with the same steps to learn from; an outcome that has no "
        "channel is not told at all, though the activations hold it.",
        refuted_if="Their mean AUC is below that, or not above that of the components, or an outcome without a channel "
        "raises the alarm.",
        decision=f"95 % intervals over seeds, lives that taught nothing, soon: within {HORIZON} steps. Mean AUC over "
        f"outcomes (those with {LEAST} steps on either side in every seed) at least {GOOD:g}; minus that of probes of "
        f"{len(CHANNELS)} components at least {GAIN:g}; AUC of the alarm (highest channel in its own standard "
        f"deviations) for the novel outcome between {BLIND[0]:g} and {BLIND[1]:g}. All held: confirmed; one interval "
        "wholly outside: refuted; otherwise undetermined. Control: a probe of all that can be read tells the novel "
        f"outcome with an AUC of at least {SEEN:g}; if that is not shown, or a seed failed, undetermined. Calibration, "
        "lead time and outcomes that come alone are reported and do not decide.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, posts 5, 6 and 9: the scorecard as a built-in, coarse readout.",
    )

    def work(self) -> list[Work]:
        """One piece per seed."""
        s = self.settings
        arguments = {"setup": self.setup(), "lives": s.lives, "updates": s.updates}
        return [Work(f"seed-{s.seed + i}", monitored, {**arguments, "seed": s.seed + i}) for i in range(s.seeds)]

    def setup(self) -> dict[str, Any]:
        """The setup in which the agents are raised, resolved."""
        s = self.settings
        base = load_setup("meadow-hunger").resolved()
        changes = {
            "name": "scorecard", "environment": WORLD,
            "steering": [WORTH],
            "learning": {**base["learning"], "pay": "worth"},
            "schedule": {"experiences": s.experiences, "ages": 2, "seeds": s.seeds, "together": 1},
        }  # fmt: skip
        return load_setup({**base, **changes}).resolved()

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if not tables:
            return Answer("undetermined", f"No seed has a table: {next(iter(failed.values()), '')}.", findings([]), ())
        table = pd.concat(list(tables.values()), ignore_index=True)
        predictions, control = predictions_of(table)
        verdict, why = decide(predictions, control, sorted(failed))
        return Answer(verdict, why, _findings(table, [*predictions, control], verdict, why), _exhibits(table))


def predictions_of(table: pd.DataFrame) -> tuple[list[Prediction], Prediction]:
    """The numbers that decide, and the control."""
    by_reader = {name: mean_of_all(each) for name, each in _means(table).items()}
    gain = mean_of_all(_means(table)["scorecard"] - _means(table)[FEW])
    novel = {
        name: mean_of_all(part.set_index("seed")["value"]) for name, part in _rows(table, "novel").groupby("reader")
    }
    said = [
        Prediction("mean AUC of the scorecard", by_reader["scorecard"], least=GOOD),
        Prediction(f"more than probes of {FEW}", gain, least=GAIN),
        Prediction("AUC of the alarm for the novel outcome", novel["alarm"], least=BLIND[0], most=BLIND[1]),
    ]
    return said, Prediction("AUC of a probe of all that can be read for the novel outcome", novel[ALL], least=SEEN)


def decide(predictions: list[Prediction], control: Prediction, failed: list[str]) -> tuple[Conclusion, str]:
    """The card's rule."""
    verdict, said = judged(predictions)
    said = f"{said}; {control}"
    if failed:
        return "undetermined", f"{', '.join(failed)} failed. {said}."
    if control.outcome != "held":
        return "undetermined", f"The novel outcome is not shown to be held by what is read. {said}."
    return verdict, f"{said}."


def _rows(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table[table["table"] == name]


def _counted(table: pd.DataFrame) -> list[str]:
    """Outcomes whose AUC is known in every seed."""
    mine = _rows(table, "auc").query("reader == 'scorecard'").groupby("outcome")["value"]
    return [name for name in CHANNELS if name in mine.groups and bool(mine.get_group(name).notna().all())]


def _means(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Reader -> mean AUC over outcomes, by seed."""
    rows = _rows(table, "auc")
    rows = rows[rows["outcome"].isin(_counted(table))]
    return {str(reader): part.groupby("seed")["value"].mean() for reader, part in rows.groupby("reader")}


def _findings(table: pd.DataFrame, said: list[Prediction], verdict: str, why: str) -> pd.DataFrame:
    about = {"analysis": "scorecard", "setup": "scorecard"}
    rows: list[dict[str, Any]] = [{**about, "metric": "scorecard", "verdict": verdict, "why": why}]
    for one in said:
        rows.append({**about, "metric": "prediction", **one.measured.row(), "why": str(one)})
    for (name, reader, outcome), part in table.fillna({"outcome": NOVEL}).groupby(["table", "reader", "outcome"]):
        rows.append({**about, "metric": str(name), "concept": str(outcome), **mean_of_all(part["value"]).row(),
                     "control": None if reader == "scorecard" else str(reader)})  # fmt: skip
    return findings(rows)


def _summary(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean and interval over seeds."""
    made = []
    for key, part in rows.groupby(by, sort=False):
        made.append({**dict(zip(by, key, strict=True)), **mean_of_all(part["value"]).row("value")})
    return pd.DataFrame(made)


def _exhibits(table: pd.DataFrame) -> tuple[Exhibit, ...]:
    aucs = _summary(_rows(table, "auc"), ["reader", "outcome"])
    leads = _summary(_rows(table, "lead"), ["reader", "outcome"])
    fits = _summary(table[table["table"].isin(["slope", "r2", "share", "alone"]) & (table["reader"] == "scorecard")],
                    ["table", "outcome"])  # fmt: skip
    novel = _summary(_rows(table, "novel").assign(outcome=NOVEL), ["reader", "outcome"])
    means = "; ".join(f"{name} {mean_of_all(each)}" for name, each in _means(table).items())
    slopes = mean_of_all(_rows(table, "slope").groupby("seed")["value"].mean())
    ahead = "; ".join(f"{n} {mean_of_all(p.groupby('seed')['value'].mean())}"
                      for n, p in _rows(table, "lead").groupby("reader"))  # fmt: skip
    over = "Mean and 95 % interval over seeds; no interval where a seed has too few such steps."
    return (
        Exhibit("auc", "Which outcome comes soon", aucs, f"Mean over outcomes: {means}.",
                f"Soon: within {HORIZON} steps. {over}",
                Chart("points", "outcome", "value", "outcome", "AUC", "low", "high", "reader", reference=0.5)),
        Exhibit("lead", "How long before it is told", leads, f"Mean over outcomes, steps: {ahead}.",
                f"Steps without a break above a threshold that 5 % of uneventful steps pass. {over}",
                Chart("points", "outcome", "value", "outcome", "steps", "low", "high", "reader")),
        Exhibit("calibration", "Whether as much comes as was foretold", fits,
                f"The slope is {slopes} on average over outcomes; 1 is calibrated.",
                f"slope, r2: of the discounted sum (discount {DISCOUNT:g}) that came on what was foretold; share: of "
                f"steps before which it comes soon; alone: AUC where no other outcome comes soon. {over}"),
        Exhibit("novel", "An outcome without a channel", novel,
                "; ".join(f"{r['reader']} {r['value']:.2f}" for r in novel.to_dict("records")) + ".",
                f"AUC of {NOVEL} within {HORIZON} steps. The best channel was chosen with labels, on the lives that "
                f"taught. {over}",
                Chart("points", "reader", "value", "reader", "AUC", "low", "high", reference=0.5)),
    )  # fmt: skip
