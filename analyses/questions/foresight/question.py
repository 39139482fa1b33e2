"""foresight: can a reward that was met once be turned into a plan along a route that was never rewarded?

A world model is trained on random walks without reward. Then a walk ends at a coin with a reward, once or a few times,
and a linear valence on the model's summary latents takes one three-factor step each time. In new rooms a planner looks
once, imagines all action sequences, and carries out the one whose imagined latents are valued most. What is measured,
with all arms: :mod:`imprint.analyses.questions.foresight.measure`.

What can be foreseen and what cannot: that one step of the rule assigns value to whatever sets the end of a walk apart
follows from the rule. Not settled beforehand is whether latents that were shaped by prediction alone hold a concept "on
the coin" to which the value can be assigned, whether it is the same in imagined as in seen rooms, and whether it can be
located and erased: the concept is erased with LEACE, and success is drawn against the rank of the erasure, beside
random subspaces of the same rank. (An earlier edition projected one direction out, which leaves a linear probe more to
read.) The summary latents are trained by one prediction, whether the episode goes on; a world model
that is not trained on the end shows what there is without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.foresight.exhibits import exhibits
from imprint.analyses.questions.foresight.measure import measure
from imprint.analyses.raising.imagination import Growing
from imprint.analyses.statistics import mean_of_all, power_of_mean

GATE = 0.95
"""Least part of imagined places that must be right at the horizon."""
CONTROLS: dict[str, dict[str, Any]] = {"newborn": {"updates": 0}, "not taught the end": {"ends": False}}
"""World models that are trained otherwise: name -> changes."""


class Settings(QuestionSettings):
    """How many world models are trained and tried."""

    seeds: int = Field(8, ge=2, le=10_000)
    """Training seeds, numbered from ``seed``."""
    control_seeds: int = Field(2, ge=2, le=10_000)
    """Training seeds of world models that are trained otherwise."""
    together: int = Field(4, ge=1, le=10_000)
    """Seeds that train as one batch."""
    events: tuple[int, ...] = (1, 3, 10)
    """Numbers of rewarded walks; the verdict is about the first."""
    draws: int = Field(4, ge=1, le=10_000_000)
    """Draws of rewarded walks per seed."""
    rooms: int = Field(80, ge=10, le=10_000_000)
    """New rooms per seed."""
    horizon: int = Field(6, ge=2, le=7)
    """Steps that are planned; coins lie 2 to that many steps away."""
    many: int = Field(300, ge=1, le=10_000_000)
    """Rewarded walks of a model-free learner that has had enough."""
    growing: Growing = Growing()
    """How world models are trained."""


class Foresight(Question[Settings]):
    """Plans after one reward, beside model-free learning and erasures."""

    card: ClassVar[Card] = Card(
        question="Can a reward that was met once be turned into a plan along a route that was never rewarded?",
        prediction="Yes: a planner with a world model trained without reward and a linear valence taught by one "
        "rewarded event reaches coins in new rooms; a model-free learner with the same events does not. When the "
        "concept 'on the coin' is erased from what the value reads the planner is no better than random sequences; "
        "when a random direction is, it is as good as before.",
        refuted_if="Any of the four numbers lies with its whole interval on the wrong side of its bound.",
        decision=f"World models must place the agent right in {GATE:g} of imagined steps at the horizon (lower end), "
        "or nothing is decided. With the first number of events (one), in rooms whose coin cell and walls no rewarded "
        "walk had: success of the planner at least 0.8; of the model-free learner at most 0.2; planner with the "
        "concept erased by LEACE, rank 1, less random sequences between -0.05 and 0.05; planner less planner with one "
        "random direction erased at most 0.05. Student's 95 % intervals over seeds must lie wholly inside: confirmed; "
        "one wholly outside: refuted; otherwise undetermined. Erasures of higher ranks, world models trained "
        "otherwise, rewards at another moment and more events are shown, not judged.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 7 (from hardcoded drives to foresighted plans), and post "
        "2, section 2.7.",
    )
    metrics: ClassVar[Metrics] = {
        "foresight": "the verdict",
        "success": "part of the rooms in which the coin is reached within the horizon; control: arm, rewarded events",
        "foreseen_frame": "part of random walks whose imagined frame is right at the step named by `site`",
        "foreseen_agent": "part of random walks whose imagined place of the agent is right at the step named by `site`",
        "foreseen_end_hit": "part of the ends of walks that are predicted",
        "foreseen_end_false": "part of the other frames that are predicted to be an end",
    }

    def power(self) -> Bought:
        """From three pilot seeds; erased plans that are random, as predicted, differ as random sequences do."""
        expected = [
            Expected("planner (from 0.98)", 0.18, 0.03, of="planner"),
            Expected("model-free (from 0.06)", 0.14, 0.01, of="model-free"),
            Expected(
                "no better than random without the concept",
                0.05,
                0.02,
                between=True,
                of="without the concept, less random",
            ),
            Expected("loss without a random direction (from 0.01)", 0.04, 0.02, of="loss without a random direction"),
        ]
        refuting = power_of_mean(0.24, 0.17, self.settings.seeds)
        source = (
            "Spreads are those of three pilot seeds (500 to 502). If erasing the concept left 0.29 above random, as in "
        )
        source += f"them (spread 0.17), that would refute with probability {refuting:.2f}."
        return bought(self.settings.seeds, expected, source)

    def work(self) -> list[Work]:
        """One piece per batch of seeds, and one per kind of world model that is trained otherwise."""
        s = self.settings
        common = {"events": list(s.events), "draws": s.draws, "rooms": s.rooms, "horizon": s.horizon}
        growing, others = s.growing.model_dump(), list(range(s.seed, s.seed + s.control_seeds))
        pieces = {
            f"seeds-{batch[0]}": {"seeds": batch, "growing": growing, "many": s.many}
            for batch in self.batches(s.seed, s.seeds, s.together)
        }
        pieces |= {
            _piece(name): {"seeds": others, "growing": {**growing, **change}, "many": 0}
            for name, change in CONTROLS.items()
        }
        return [Work(name, measure, {**arguments, **common}) for name, arguments in pieces.items()]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule, and world models that are trained otherwise beside it."""
        if missing := self.missing(tables, failed, "seeds-", every=True):
            return missing
        whole = joined(tables, "seeds-")
        success = successes(whole)
        for name in CONTROLS:
            if (table := tables.get(_piece(name))) is not None:
                control = successes(table)
                planner = control[control["arm"] == "planner"].assign(arm=f"planner, model {name}")
                success = pd.concat([success, planner])
        found = decide(whole, success, self.settings.events[0], self.settings.horizon)
        found = found.but(why=found[1] + "".join(f" {name} failed." for name in failed))
        means = over_seeds(success, ["arm", "events"], "success")
        means["events"] = ["any" if events == 0 else f"{events:g}" for events in means["events"]]
        predicted = whole[whole["arm"] == "model"].rename(columns={"metric": "what"}).astype({"step": int})
        model = over_seeds(predicted, ["what", "step"], named="right")
        rows = [
            *self.rows(means, "success", lambda r: _about(r["arm"], r["events"])),
            *self.rows(success, "success", lambda r: _about(r["arm"], f"{r['events']:g}")),
            *self.rows(model, "right", lambda r: {"metric": f"foreseen_{r['what']}", "site": f"step {r['step']}"}),
        ]
        return self.answer(found, rows, exhibits(means, success, model, GATE))


def _piece(control: str) -> str:
    return control.replace(" ", "-")


def _about(arm: str, events: str) -> dict[str, str]:
    return {"metric": "success", "control": f"{arm}, {events} events"}


def successes(table: pd.DataFrame) -> pd.DataFrame:
    """Success per seed, arm and number of events, mean over draws; n: plans carried out."""
    rows = table[table["metric"] == "success"]
    grouped = rows.groupby(["arm", "events", "seed"], sort=False)
    return grouped.agg(success=("value", "mean"), n=("n", "sum")).reset_index()


def decide(table: pd.DataFrame, success: pd.DataFrame, events: int, horizon: int) -> Judgement:
    """The card's rule."""

    def of(arm: str, events: int = events) -> pd.Series:
        rows = success[(success["arm"] == arm) & (success["events"] == events)]
        return rows.set_index("seed")["success"].sort_index()

    planner = of("planner")
    less_random = of("concept erased, rank 1") - of("random sequences", 0)
    loss = planner - of("random erased, rank 1")
    predictions = [
        Prediction("planner", mean_of_all(planner), least=0.8),
        Prediction("model-free", mean_of_all(of("model-free")), most=0.2),
        Prediction("without the concept, less random", mean_of_all(less_random), least=-0.05, most=0.05),
        Prediction("loss without a random direction", mean_of_all(loss), most=0.05),
    ]
    places = table[(table["metric"] == "agent") & (table["step"] == horizon)]["value"]
    gate = Prediction(f"places predicted rightly at step {horizon}", mean_of_all(places), least=GATE)
    return judged(predictions, controls=[gate], blind="Plans in this world model cannot be judged.")
