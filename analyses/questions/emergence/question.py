"""emergence: does a concept of a hidden state exist in a newborn learner, or does it come with learning?

In two worlds, each asked about by itself (the setting ``world``). ``nest``: an animal walks through a field of coloured
tiles and sees one at a time; that its next step leads near the nest follows from where it must be. ``compass``: an
agent turns about in a room of MiniGrid and sees what lies before it; that its next turn brings the green square into
view follows from where it last saw the square, and how it turned since. Neither can be read, linearly, from all that
was seen. Learners of two kinds learn to predict what they see next, and nothing else; at several ages a linear probe is
asked for the concept, at every site, beside untrained learners of the same kind and the whole history of the input.

The source has one small transformer that predicts the next observation in a fixed world, and one seed. Deviations: (1)
a recurrent learner as well; (2) in ``nest`` every seed has a field of its own (the room of ``compass`` is MiniGrid's);
(3) the concept is what the next step leads to, not the cell; (4) what is untrained, and the raw history, count as
floors, not as numbers of their own.

Chosen on pilots in ``nest`` (seeds 500 and 501): recurrent learners live twice as long as the setup says, since after
its lifetime their selectivity was .28 and .22, that is at the bound. Transformers were at .16 and .11, with lower
learning rates or batches of 16 at .08 to .12 (seed 500); they live as long as the setup says, so that theirs is
expected to fail.

Chosen on pilots in ``compass`` (seeds 500 and 501): learning rates; lives (``recurrent=81920``, ``transformer=76800``),
in the end of which recurrent learners were at .49 and transformers at .42 on average; a room of 6 x 6, as in one of
8 x 8 a recurrent learner came to little in 256,000 walks; and the concept. That the square lies behind the left
shoulder is hidden, too, but a linear readout of the history gives it (.95); of the side that an agent faces when
anything may be in view, half of the frames tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Unpack

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Bounds, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.emergence.exhibits import exhibits
from imprint.analyses.questions.emergence.measure import examine
from imprint.analyses.statistics import mean_of_all
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup

THERE, ABOUT = 0.25, 0.05
LEARNERS: dict[str, dict[str, Any]] = {
    "recurrent": {"kind": "recurrent"},
    "transformer": {"kind": "transformer", "error": "bernoulli"},
}
"""Kind of learner -> its settings."""


@dataclass(frozen=True)
class Ground:
    """A world with a hidden state, and what pilots in it told."""

    concept: str
    meant: str
    """The concept in words, after "what can be read of"."""
    patch: int
    """Pixels along a side of a frame, all of which a recurrent learner encodes at once."""
    rates: Mapping[str, float]
    """Kind of learner -> its learning rate."""
    expected: tuple[float, float]
    """In the end: the value from which power is reckoned, and its spread over seeds."""
    spreads: str
    """Where spreads are known from."""
    changes: Mapping[str, Any]
    """What is changed of the setup ``nest``."""


GROUNDS = {
    "nest": Ground(
        concept="near_nest",
        meant="the hidden nest",
        patch=1,
        rates=dict.fromkeys(LEARNERS, 0.004),
        expected=(0.29, 0.04),
        spreads="Spreads are those of the two pilot seeds of each kind.",
        changes={"schedule.worlds": "each"},
    ),
    "compass": Ground(
        concept="appears",
        meant="whether the square will come into view",
        patch=7,
        rates={"recurrent": 0.01, "transformer": 0.002},
        expected=(0.4, 0.08),
        spreads="The spread in the end is a guess, twice that in `nest`; the value is below those of pilots.",
        changes={
            **{"world": {"kind": "compass"}, "intended": "appears", "proxies": ["turn"], "concepts": []},
            **{"steering": [{"kind": "detector", "name": "warm", "sense": "greenness"}], "schedule.worlds": 1},
        },
    ),
}
"""World -> what is asked in it."""


class Settings(QuestionSettings):
    """How many learners live for how long."""

    world: Literal["nest", "compass"] = "nest"
    """The world whose hidden state is asked for."""
    seeds: int = Field(8, ge=2, le=10_000)
    """Training seeds of each kind of learner, each in a field of its own where the world is ``nest``."""
    together: int = Field(4, ge=1, le=64)
    """Seeds of one piece of work."""
    recurrent: int = Field(204_800, ge=640, le=10_000_000)
    """Walks in the lifetime of a recurrent learner."""
    transformer: int = Field(102_400, ge=640, le=10_000_000)
    """Walks in the lifetime of a transformer."""
    episodes: int = Field(1500, ge=200, le=1_000_000)
    """Held-out walks on which learners are examined."""


class Emergence(Question[Settings]):
    """Selectivity for a hidden state at birth and later."""

    card: ClassVar[Card] = Card(
        question="Does a concept of a hidden state exist in a newborn learner, or does it come with learning?",
        prediction="It comes with learning: at birth nothing of it can be read beyond what the input gives, in the end "
        "much can, in a recurrent learner and in a transformer.",
        refuted_if="One of the four numbers lies with its whole interval on the wrong side of its bound.",
        decision="Selectivity for `near_nest` (world `nest`) or `appears` (world `compass`): balanced accuracy of a "
        "linear probe out of fold, less the highest of chance, shuffled labels, untrained twins, and the history of "
        "the input up to that moment, on held-out walks on which nothing goes along with it. The site of a seed is the "
        "one at which, in the end, the other seeds of its kind have the largest mean. For each kind of learner: in the "
        f"end at least {THERE:g}, at birth at most {ABOUT:g}. Student's 95 % intervals over seeds (in `nest` each in a "
        "field of its own) wholly inside: held; all held for a kind: confirmed, any failed: refuted; both kinds "
        f"together alike. Controls: planted in the newborn it is found ({THERE:g}); with shuffled labels there is at "
        f"most {ABOUT:g} in the end. Ages between are shown, not judged.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 2, section 2.7: early in training the concept may not "
        "exist in the learner.",
    )
    metrics: ClassVar[Metrics] = {
        "emergence": "the verdict",
        "prediction": "a number of the card; `why` says which",
        "selectivity": "balanced accuracy of the probe less its highest floor, at the site that the other seeds choose",
        "score": "balanced accuracy of the probe at that site",
        "floor": "its highest floor there",
    }

    def power(self) -> Bought:
        """From the pilot seeds."""
        end, spread = self.ground.expected
        ends, births = (tuple(f"{kind}: {age}" for kind in LEARNERS) for age in ("in the end", "at birth"))
        expected = [
            Expected(f"in the end (from {end:g})", end - THERE, spread, of=ends),
            Expected("at birth (from 0)", ABOUT, 0.05, of=births),
        ]
        return bought(self.settings.seeds, expected, self.ground.spreads)

    @property
    def ground(self) -> Ground:
        """What is asked in the world that was chosen."""
        return GROUNDS[self.settings.world]

    def work(self) -> list[Work]:
        """One piece per kind of learner and batch of seeds."""
        s = self.settings
        return [
            Work(f"{kind}-{batch[0]}", examine, {"setup": self.setup(kind, batch), "seeds": batch})
            for kind in LEARNERS
            for batch in self.batches(s.seed, s.seeds, s.together)
        ]

    def setup(self, kind: str, batch: Sequence[int]) -> dict[str, Any]:
        """The setup of some seeds' life, resolved."""
        s, life = self.settings, int(getattr(self.settings, kind))
        ages = sorted({0, *(life // part // 64 * 64 for part in (16, 4)), life})
        patch = {"patch": self.ground.patch} if kind == "recurrent" else {}
        changes = {
            **self.ground.changes,
            **{"learner": LEARNERS[kind] | patch, "schedule.learning_rate": self.ground.rates[kind]},
            **{"schedule.experiences": life, "schedule.ages": ages},
            **{"schedule.seeds": len(batch), "schedule.together": len(batch), "schedule.first_seed": batch[0]},
            **{"evaluation.episodes": s.episodes, "evaluation.nulls": 5},
        }
        return load_setup("nest", changes=changes, expect=Setup).resolved()

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        found = chosen(table)
        verdict = decide(table)
        rows = [{"metric": "prediction", **each.row()} for each in verdict.predictions]
        columns = {"statistic": "selectivity", "score": "score", "floor": "floor"}
        long = found.rename(columns=columns).melt(["learner", "age", "seed", "n"], list(columns.values()), "metric")
        means = over_seeds(long, ["learner", "age", "metric"])
        concept = self.ground.concept
        rows += self.rows(
            means,
            "value",
            lambda row: {"metric": row["metric"], "concept": concept, "age": row["age"], "control": row["learner"]},
        )
        said = in_words(means, self.ground.meant)
        return self.answer(verdict.but(why=f"{said} {verdict[1]}"), rows, exhibits(means, found, table), sentence=said)


def chosen(table: pd.DataFrame, kind: str = "trained") -> pd.DataFrame:
    """Rows of a kind at the site of each seed: the one at which, in the end, the others have the largest mean."""
    trained = table[table["kind"] == "trained"]
    end = trained[trained["age"] == trained.groupby("learner")["age"].transform("max")]
    parts = []
    for (learner, seed), rows in table[table["kind"] == kind].groupby(["learner", "seed"], sort=False):
        others = end[(end["learner"] == learner) & (end["seed"] != seed)]
        site = others.groupby("site", sort=False)["statistic"].mean().idxmax()
        parts.append(rows[rows["site"] == site])
    return pd.concat(parts, ignore_index=True)


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    found = chosen(table)
    last = found[found["age"] == found.groupby("learner")["age"].transform("max")]
    shuffled, planted = chosen(table, "shuffled"), table[table["kind"] == "planted"]

    def number(name: str, rows: pd.DataFrame, learner: str, **bounds: Unpack[Bounds]) -> Prediction:
        values = rows[rows["learner"] == learner]["statistic"]
        return Prediction(name, mean_of_all(values), part=learner, **bounds)

    parts = {
        learner: [
            number("in the end", last, learner, least=THERE),
            number("at birth", found[found["age"] == 0], learner, most=ABOUT),
        ]
        for learner in table["learner"].unique()
    }
    controls = [number("planted at birth", planted, learner, least=THERE) for learner in parts]
    controls += [number("labels shuffled", shuffled, learner, most=ABOUT) for learner in parts]
    return judged_each(parts, controls)


def in_words(means: pd.DataFrame, meant: str) -> str:
    """The answer for somebody who has not read the card."""
    parts = []
    for learner, rows in means.groupby("learner", sort=False):
        ends = rows["age"].min(), rows["age"].max()
        first, last = (rows[rows["age"] == age].set_index("metric")["value"] for age in ends)
        parts.append(
            f"in a {learner} learner, from {round(first['selectivity'], 2) + 0.0:.2f} at birth to "
            f"{last['selectivity']:.2f} after "
            f"{ends[1]:,.0f} walks (a probe is right in {last['score']:.0%}, where the history of the input and "
            f"untrained learners give at most {last['floor']:.0%})"
        )
    return f"What can be read of {meant} beyond the floors rises {'; '.join(parts)}."
