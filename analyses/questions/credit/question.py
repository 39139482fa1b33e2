"""credit: to which of several concepts that occur together does the credit for a reward go?

Cues of the nursery (a colour, a lamp, a side) are shown in compounds to learners that were trained by prediction alone,
and a linear valence on their latents is taught by the three-factor rule. Blocking and overshadowing are those of
conditioning in animals; what is measured, with all controls: :mod:`imprint.analyses.questions.credit.measure`.

What can be foreseen and what cannot: on latents of which each cue has its own, both follow from the rule, and the
planted basis checks no more than that. Not settled beforehand is how far they survive in latents as they are learned,
where one network's latent for a lamp may change with the brightness of a figure, so that what is left to learn after
one cue differs from trial to trial.

In an earlier edition the first cue was rewarded for a fixed number of updates, which left it at a third of its value
on held-out trials; blocking was then refuted by a cue that had never been learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Bounds, Expected, Judgement, Prediction, bought, judged
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.credit.exhibits import exhibits
from imprint.analyses.questions.credit.measure import BEFORE, LEARNED, measure
from imprint.analyses.statistics import mean_of_all
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup

BASIS = "as learned"
EXACT, RULE, RANDOM, LARGER = 1e-5, 0.1, 0.5, 0.5
TRAININGS = ("blocked", *BEFORE)


class Settings(QuestionSettings):
    """How many learners are trained and how long the rule is run."""

    seeds: int = Field(6, ge=2)
    """Training seeds, numbered from ``seed``."""
    together: int = Field(3, ge=1)
    """Seeds that train as one batch."""
    experiences: int = Field(25_600, ge=64)
    """Episodes of a learner's lifetime."""
    updates: int = Field(1000, ge=1)
    """Steps of the rule in a phase."""
    most: int = Field(16_000, ge=1)
    """Most steps of the rule until a first cue is learned."""
    learner: str = "recurrent"
    """Kind of the learner whose latents the valence reads."""


class Credit(Question[Settings]):
    """Blocking and overshadowing in learned latents."""

    card: ClassVar[Card] = Card(
        question="To which of several concepts that occur together does the credit for a reward go?",
        prediction="To what does not yet predict it (blocking: the second cue gains what the first left over, 1 - "
        "V(AB), of what it gains beside a cue that was not rewarded), and to the more salient one (overshadowing), "
        "also in latents as a learner formed them; and attribution says exactly where the credit went.",
        refuted_if="One of the numbers lies with its whole interval on the wrong side of its bound.",
        decision="In the latents as they were learned, over seeds. The first cue is rewarded until its strength on "
        f"trials that are not taught is {LEARNED:g}, within a stated number of updates; unless every first cue of "
        "every seed comes to that, nothing is decided, since what was not learned cannot block. Gain of second cues "
        "beside a cue that was learned, in parts of their gain beside one that was shown without reward, less 1 - "
        f"V(AB) on held-out trials before the second phase: between -{RULE:g} and {RULE:g}. Gain after reward on "
        f"random trials, in the same parts, at least {RANDOM:g}; the more salient cue's part of a compound's strength "
        f"at least {LARGER:g}; integrated gradients within {EXACT:g} of w * (z - z0) in every seed. Student's 95 % "
        "intervals wholly inside: confirmed; one wholly outside: refuted; otherwise undetermined. The overlap of "
        "latents is reported; whitened and planted latents and untrained learners are shown, not judged.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, posts 7 and 9; Rescorla & Wagner 1972; Kamin 1969.",
    )
    metrics: ClassVar[Metrics] = {
        "credit": "the verdict",
        **{f"strength,_{training}": f"strength of a second cue in the group: {training}" for training in TRAININGS},
        "strength,_first": "strength of a first cue when it counts as learned",
        "first_cues_learned": "part of the first cues that came to the criterion",
        "blocking_ratio": "gain of blocked cues, in parts of their gain in a compound",
        "left_over": "1 - V(AB) before both cues are rewarded, weighted by the gain in a compound",
        "blocking_ratio_less_left_over": "the difference of both; 0 by the delta rule",
        "overlap": "cosine of the displacements of the latents by both cues",
        "shuffled_ratio": "gain after reward on random trials, in parts of that in a compound",
        "share_of_the_more_salient": "the more salient cue's part of a compound's strength",
        "attribution_error": "largest difference of integrated gradients to w * (z - z0), in units of value",
    }

    def power(self) -> Bought:
        """From the pilot seeds on which the criterion and the number of updates were chosen."""
        expected = [
            Expected("blocking as the rule says", RULE, 0.05, between=True, of="blocking ratio less left over"),
            Expected("gain after random reward (from 0.98)", 0.98 - RANDOM, 0.02, of="shuffled ratio"),
            Expected("part of the more salient (from 0.86)", 0.86 - LARGER, 0.04, of="share of the more salient"),
        ]
        return bought(self.settings.seeds, expected, "Spreads are those of three pilot seeds (500 to 502).")

    def work(self) -> list[Work]:
        """One piece per batch of seeds, and the first batch untrained."""
        s = self.settings
        changes = {"learner": {"kind": s.learner}, "schedule.experiences": s.experiences, "schedule.worlds": 1}
        setup = load_setup("nursery", changes=changes, expect=Setup).resolved()
        batches = self.batches(s.seed, s.seeds, s.together)
        common = {"setup": setup, "updates": s.updates, "most": s.most}
        return [
            Work(f"{name}-{batch[0]}", measure, {"seeds": batch, "untrained": name == "newborn", **common})
            for name, batch in (*(("grown", batch) for batch in batches), ("newborn", batches[0]))
        ]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule on trained learners, and untrained ones beside them."""
        if missing := self.missing(tables, failed, "grown", every=True):
            return missing
        others = [t.assign(basis="newborn, " + t["basis"]) for name, t in tables.items() if name.startswith("newborn")]
        table = pd.concat([joined(tables, "grown"), *others], ignore_index=True)
        found = decide(table)
        found = found.but(why=found[1] + "".join(f" {name} failed." for name in failed))
        means = over_seeds(table, ["basis", "measure", "cue"])
        rows = self.rows(means, "value", _about) + self.rows(table[table["cue"] == "all"], "value", _about)
        return self.answer(found, rows, exhibits(means, table))


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    bounds: dict[str, Bounds] = {
        "blocking ratio less left over": {"least": -RULE, "most": RULE},
        "shuffled ratio": {"least": RANDOM},
        "share of the more salient": {"least": LARGER},
    }
    predictions = [Prediction(name, mean_of_all(_values(table, name)), **bound) for name, bound in bounds.items()]
    learned = Prediction("first cues learned", mean_of_all(_values(table, "first cues learned")), least=1.0)
    found = judged(predictions, controls=[learned], blind="Cues that were not learned cannot block.")
    worst = float(_values(table, "attribution error").max())
    inexact = learned.outcome == "held" and worst >= EXACT
    means = {name: mean_of_all(_values(table, name)) for name in ("blocking ratio", "left over", "overlap")}
    overlap = "The latents of both cues overlap" if means["overlap"].low > 0 else "No overlap of their latents is shown"
    why = f"{found[1]} Blocked cues gain {means['blocking ratio']:.2f}, left over was {means['left over']:.2f}. "
    why += f"{overlap} (cosine {means['overlap']:.2f}). Integrated gradients are off by at most {worst:.2g}."
    return found.but("refuted" if inexact else None, why=why)


def _values(table: pd.DataFrame, measure: str) -> pd.Series:
    """A number over all cues in the latents as they were learned, per seed."""
    rows = table[(table["measure"] == measure) & (table["basis"] == BASIS) & (table["cue"] == "all")]
    return rows.set_index("seed")["value"].sort_index()


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    control = None if row["basis"] == BASIS else row["basis"]
    return {"metric": row["measure"].replace(" ", "_"), "concept": row["cue"], "control": control}
