"""credit: to which of several concepts that occur together does the credit for a reward go?

Cues of the nursery (a colour, a lamp, a side) are shown in compounds to learners that were trained by prediction alone,
and a linear valence on their latents is taught by the three-factor rule. Blocking, overshadowing and novelty are those
of conditioning in animals; what is measured, with all controls: :mod:`imprint.analyses.questions.credit.measure`.

What can be foreseen and what cannot: on latents of which each cue has its own, all three follow from the rule, and the
planted basis checks no more than that. Not settled beforehand is how far they survive in latents as they are learned,
where cues overlap and one network's latent for a lamp may change with the brightness of a figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Prediction, judged
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.credit.exhibits import exhibits
from imprint.analyses.questions.credit.measure import measure
from imprint.analyses.statistics import mean_of_all
from imprint.analyses.verdicts import Conclusion
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup

BASIS = "as learned"
EXACT = 1e-5
LEARNED = 0.5
TRAININGS = ("compound", "blocked", "shuffled", "familiar", "novel", "alone")


class Settings(QuestionSettings):
    """How many learners are trained and how long the rule is run."""

    seeds: int = Field(8, ge=2, le=10_000)
    """Training seeds, numbered from ``seed``."""
    together: int = Field(4, ge=1, le=10_000)
    """Seeds that train as one batch."""
    experiences: int = Field(25_600, ge=64, le=10**12)
    """Episodes of a learner's lifetime."""
    updates: int = Field(400, ge=1, le=10_000_000)
    """Steps of the rule in a phase."""
    learner: str = "recurrent"
    """Kind of the learner whose latents the valence reads."""


class Credit(Question[Settings]):
    """Blocking, overshadowing and novelty in learned latents."""

    card: ClassVar[Card] = Card(
        question="To which of several concepts that occur together does the credit for a reward go?",
        prediction="To the one that does not yet predict it (blocking), to the more salient one (overshadowing) and to "
        "the newer one, also in latents as a learner formed them; and attribution says exactly where the credit went.",
        refuted_if="One of the numbers lies with its whole interval on the wrong side of its bound.",
        decision="In the latents as they were learned, over seeds. A cue that is rewarded alone must reach a strength "
        f"of at least {LEARNED:g} (mean over cues, lower end), or nothing is decided, since what was not learned "
        "cannot block. Strength of cues beside a cue that was rewarded before, at most 0.2 of their strength beside "
        "one that was not; the same ratio after reward on random trials at least 0.5; the more salient cue's part of a "
        "compound's strength at least 0.5; strength of new cues less that of familiar ones at least 0; integrated "
        f"gradients within {EXACT:g} of w * (z - z0) in every seed. Student's 95 % intervals wholly inside: confirmed; "
        "one wholly outside: refuted; otherwise undetermined. Whitened and planted latents and untrained learners are "
        "shown, not judged.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, posts 7 and 9; Rescorla & Wagner 1972; Kamin 1969.",
    )
    metrics: ClassVar[Metrics] = {
        "credit": "the verdict",
        **{
            f"strength,_{training}": f"strength of a cue's value after the training: {training}"
            for training in TRAININGS
        },
        "blocking_ratio": "strength of blocked cues, in parts of their strength in a compound",
        "shuffled_ratio": "the same after reward on random trials",
        "novel_less_familiar": "strength of new cues less that of familiar ones",
        "share_of_the_more_salient": "the more salient cue's part of a compound's strength",
        "attribution_error": "largest difference of integrated gradients to w * (z - z0), in units of value",
    }

    def work(self) -> list[Work]:
        """One piece per batch of seeds, and the first batch untrained."""
        s = self.settings
        changes = {"learner": {"kind": s.learner}, "schedule.experiences": s.experiences, "schedule.worlds": 1}
        setup = load_setup("nursery", changes=changes, expect=Setup).resolved()
        batches = self.batches(s.seed, s.seeds, s.together)
        common = {"setup": setup, "updates": s.updates}
        return [
            Work(f"{name}-{batch[0]}", measure, {"seeds": batch, "untrained": name == "newborn", **common})
            for name, batch in (*(("grown", batch) for batch in batches), ("newborn", batches[0]))
        ]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule on trained learners, and untrained ones beside them."""
        if missing := self.missing(tables, failed, "grown", every=True):
            return missing
        untrained = {name: t[t["basis"] != "planted"] for name, t in tables.items() if name.startswith("newborn")}
        others = [t.assign(basis="newborn, " + t["basis"]) for t in untrained.values()]
        table = pd.concat([joined(tables, "grown"), *others], ignore_index=True)
        verdict, why = decide(table)
        why += "".join(f" {name} failed." for name in failed)
        means = over_seeds(table, ["basis", "measure", "cue"])
        rows = self.rows(means, "value", _about) + self.rows(table[table["cue"] == "all"], "value", _about)
        return self.answer((verdict, why), rows, exhibits(means, table))


def decide(table: pd.DataFrame) -> tuple[Conclusion, str]:
    """The card's rule."""
    bounds = {
        "blocking ratio": {"most": 0.2},
        "shuffled ratio": {"least": 0.5},
        "share of the more salient": {"least": 0.5},
        "novel less familiar": {"least": 0.0},
    }
    predictions = [Prediction(name, mean_of_all(_values(table, name)), **bound) for name, bound in bounds.items()]
    alone = table[(table["measure"] == "strength, alone") & (table["basis"] == BASIS)].groupby("seed")["value"].mean()
    learned = Prediction("strength of a cue rewarded alone", mean_of_all(alone), least=LEARNED)
    verdict, why = judged(predictions, controls=[learned], blind="Cues that were not learned cannot block.")
    worst = float(_values(table, "attribution error").max())
    inexact = learned.outcome == "held" and worst >= EXACT
    return ("refuted" if inexact else verdict), f"{why} Integrated gradients are off by at most {worst:.2g}."


def _values(table: pd.DataFrame, measure: str) -> pd.Series:
    """A number over all cues in the latents as they were learned, per seed."""
    rows = table[(table["measure"] == measure) & (table["basis"] == BASIS) & (table["cue"] == "all")]
    return rows.set_index("seed")["value"].sort_index()


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    control = None if row["basis"] == BASIS else row["basis"]
    return {"metric": row["measure"].replace(" ", "_"), "concept": row["cue"], "control": control}
