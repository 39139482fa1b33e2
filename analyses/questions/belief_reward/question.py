"""belief-reward: does avoidance of a danger that is believed and not seen last, if the reward itself reads the belief?

*Upstream* generalisation: what is learned is what the reward reads, r = max(g, p(z)), so that a danger that is known to
be there is punished as one that is seen. *Downstream* generalisation: the reward reads the senses alone, r = g, and
only the value generalises; then every unseen danger that does no harm is evidence against it. World, arms and controls:
:mod:`imprint.analyses.questions.belief_reward.measure`.

What can be foreseen and what cannot. That a reward which follows the belief keeps the value where it is follows from
the rule; that the belief itself lasts, taught by nothing while the danger is unseen and by shared features meanwhile,
does not. That a linear value unlearns what is not rewarded follows only if it can tell a danger that is unseen from one
that is seen, which goes on being punished; in the latents of a learner that knows who is there, seen or not, that is
open.

The first edition ran the rule at a rate of 0.2, at which a thousand exposures are too few even on planted latents:
downstream kept .156 there and the card asks for .1 at most, so that its run (seeds 1000 to 1011) is undetermined. The
rate is now 1, the rule's own default; nothing else was changed. Seeds from 2000 decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.belief_reward.exhibits import exhibits
from imprint.analyses.questions.belief_reward.measure import ARMS, COUNTS, measure
from imprint.analyses.statistics import Estimate, mean_of_all
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup

KEEPS, DECAYS, GONE, SPURIOUS, LEAST = 0.8, 0.1, 0.5, 1 / 3, 0.1
LAST = COUNTS[-1]


class Settings(QuestionSettings):
    """How many learners are trained, and how long the rule is run before any exposure."""

    seeds: int = Field(12, ge=2, le=1000)
    """Training seeds, each in a world of its own, numbered from ``seed``."""
    together: int = Field(6, ge=1, le=1000)
    """Seeds that train as one batch."""
    experiences: int = Field(51_200, ge=64, le=10**9)
    """Episodes of a learner's lifetime."""
    updates: int = Field(1000, ge=1, le=10**6)
    """Steps of the rule in which belief, and then value, are attached."""
    learner: str = "conv"
    """Kind of the learner whose latents are read."""


class BeliefReward(Question[Settings]):
    """Reward from a belief beside reward from a sense."""

    card: ClassVar[Card] = Card(
        question="Does avoidance of a danger that is known to be there and not seen last, if the reward reads the "
        "belief, and does it fade if only the value generalises?",
        prediction="A reward that reads the belief (upstream) keeps the avoidance through a thousand harmless "
        "encounters; a reward that reads the senses (downstream) loses it.",
        refuted_if="The upstream arm keeps less than it should, or the downstream arm more, with the whole interval.",
        decision="In latents as they were learned; avoidance is that of the arm less that of the shuffled arm of the "
        f"same seed. A seed counts when both arms avoid the unseen danger before any exposure (at least {LEAST:g} of "
        f"the punishment). Kept after {LAST} exposures, in parts of what there was: upstream at least {KEEPS:g}, "
        f"downstream at most {DECAYS:g}. Controls: half of the seeds count; on planted latents upstream keeps "
        f"{KEEPS:g} and downstream at most {DECAYS:g}; where a stranger has stepped out in the danger's place, "
        f"at the first look at it, avoidance upstream is at most {GONE:g} of what it is unseen; avoidance in the "
        f"shuffled arm is at most {SPURIOUS:.2g} of that upstream. Student's 95 % intervals over seeds and worlds "
        "wholly inside: held; all held: confirmed; one prediction wholly outside: refuted; otherwise, or if a control "
        "is not held, undetermined. Drift of the belief, withdrawal and newborn learners are shown, not judged.",
        source="Byrnes, Reward function design: a starter pack (2025), on upstream and downstream generalisation.",
    )
    metrics: ClassVar[Metrics] = {
        "belief_reward": "the verdict",
        "avoidance,_unseen": "value of a stranger less that of the danger, behind the screen; age: exposures",
        "avoidance,_seen": "the same, in front of the screen",
        "avoidance,_removed": "the same when a stranger has stepped out in the danger's place",
        "belief,_unseen": "belief in the danger less that in twin episodes with a stranger, behind the screen",
        "belief,_removed": "the same when a stranger has stepped out",
        "withdrawal,_unseen": "part of the episodes whose value is below half of the punishment, danger less stranger",
        "kept": "avoidance of the unseen danger after the last exposure, in parts of that before the first",
    }

    def power(self) -> Bought:
        """From the pilot seeds on which rate and batch of the rule were chosen."""
        expected = [
            Expected("kept upstream (from 1)", 1.0 - KEEPS, 0.1, of="kept upstream"),
            Expected("kept downstream (from 0)", DECAYS, 0.1, of="kept downstream"),
            Expected("gone when removed (from 0.2)", GONE - 0.2, 0.2, of="avoidance of a danger that is gone"),
        ]
        source = "Spreads are those of three pilot seeds (500 to 502); in them downstream kept about 0.75, not 0."
        return bought(self.settings.seeds, expected, source)

    def work(self) -> list[Work]:
        """One piece per batch of seeds, with planted latents in the first, and a batch of newborn learners."""
        s = self.settings
        changes = {
            "learner": {"kind": s.learner},
            "schedule.experiences": s.experiences,
            **{"schedule.seeds": s.seeds, "schedule.first_seed": s.seed, "schedule.worlds": s.seeds},
        }
        setup = load_setup("nursery", changes=changes, expect=Setup).resolved()
        batches = self.batches(s.seed, s.seeds, s.together)
        common = {"setup": setup, "updates": s.updates}
        grown = [
            Work(f"grown-{batch[0]}", measure, {"seeds": batch, "bases": ["as learned", *planted], **common})
            for batch, planted in zip(batches, [["planted"], *[[]] * (len(batches) - 1)], strict=True)
        ]
        return [*grown, Work("newborn", measure, {"seeds": batches[0], "bases": ["newborn"], **common})]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, "grown", every=True):
            return missing
        table = joined(tables)
        found = decide(table)
        said = in_words(table)
        found = found.but(why=" ".join([f"{said} In numbers:", found[1], *(f"{name} failed." for name in failed)]))
        means = over_seeds(table, ["basis", "arm", "exposures", "measure"])
        rows = self.rows(means, "value", _about)
        left = kept_by_arm(table)
        for arm in left:
            rows += [{"metric": "kept", "control": f"as learned, {arm}", "age": LAST, **mean_of_all(left[arm]).row()}]
        return self.answer(found, rows, exhibits(means, left, table), sentence=said)


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    metric, control = row["measure"].replace(" ", "_"), f"{row['basis']}, {row['arm']}"
    return {"metric": metric, "concept": "caregiver", "age": row["exposures"], "control": control}


def values(table: pd.DataFrame, basis: str, arm: str, exposures: int, measure: str = "avoidance, unseen") -> pd.Series:
    """One number per seed."""
    chosen = (table["basis"] == basis) & (table["arm"] == arm) & (table["exposures"] == exposures)
    return table[chosen & (table["measure"] == measure)].set_index("seed")["value"].sort_index()


def net(table: pd.DataFrame, arm: str, exposures: int, measure: str = "avoidance, unseen") -> pd.Series:
    """Of learned latents, less the shuffled arm of the same seed."""
    own, shuffled = (values(table, "as learned", each, exposures, measure) for each in (arm, "shuffled"))
    return own - shuffled


def counted(table: pd.DataFrame) -> pd.Series:
    """Whether a seed avoids the unseen danger before any exposure, in both arms, bool by seed."""
    return (net(table, "upstream", 0) >= LEAST) & (net(table, "downstream", 0) >= LEAST)


def kept_by_arm(table: pd.DataFrame, exposures: int = LAST) -> dict[str, pd.Series]:
    """Arm -> part of its avoidance that is left after ``exposures``, of the seeds that count."""
    which = counted(table)
    arms = [arm for arm in ARMS if arm != "shuffled"]
    return {arm: (net(table, arm, exposures) / net(table, arm, 0))[which] for arm in arms}


def in_words(table: pd.DataFrame) -> str:
    """The answer for somebody who has not read the card."""
    left = {arm: float(part.mean()) for arm, part in kept_by_arm(table).items()}
    return (
        f"After {LAST} harmless encounters with a danger that is there and not seen, {left['upstream']:.0%} of its "
        f"avoidance is left where the reward reads the belief, {left['downstream']:.0%} where it reads the senses."
    )


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    which, kept = counted(table), kept_by_arm(table)
    planted = {arm: values(table, "planted", arm, LAST) / values(table, "planted", arm, 0) for arm in kept}
    removed = net(table, "upstream", LAST, "avoidance, removed") / net(table, "upstream", LAST)
    spurious = values(table, "as learned", "shuffled", 0) / values(table, "as learned", "upstream", 0)
    part = float(which.mean())
    predictions = [
        Prediction("kept upstream", mean_of_all(kept["upstream"]), least=KEEPS),
        Prediction("kept downstream", mean_of_all(kept["downstream"]), most=DECAYS),
    ]
    controls = [
        Prediction("part of the seeds that count", Estimate(part, part, part, len(which)), least=0.5),
        Prediction("kept upstream, planted", mean_of_all(planted["upstream"]), least=KEEPS),
        Prediction("kept downstream, planted", mean_of_all(planted["downstream"]), most=DECAYS),
        Prediction("avoidance of a danger that is gone", mean_of_all(removed[which]), most=GONE),
        Prediction("avoidance after shuffled signals", mean_of_all(spurious[which]), most=SPURIOUS),
    ]
    return judged(predictions, controls=controls, blind="A control did not come out as it must.")
