"""foresight: can a taste felt once be turned into a plan by a route that was never rewarded?

A world model grows on random walks in which nothing is tasted. Then a walk ends at a coin with a taste, once or a few
times, and a linear valence on the model's thoughts takes one three-factor step each time. In new rooms a planner looks
once, imagines all action sequences, and carries out the one whose imagined thoughts are valued most. What is measured,
with all arms: :mod:`imprint.analyses.questions.foresight.measure`.

What can be foreseen and what cannot: that one step of the rule lands on whatever sets the end of a walk apart follows
from the rule. Not settled beforehand is whether a concept "on the coin" is there to be painted in thoughts that were
shaped by prediction alone, whether it is the same in imagined as in seen rooms, and whether it can be found and
projected out. Thoughts are taught by one prediction, whether life goes on; a world model that is not taught the end
shows what there is without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import pandas as pd
from pydantic import Field

from imprint.analyses.findings import findings
from imprint.analyses.predictions import Prediction, judged
from imprint.analyses.questions.base import Answer, Card, Chart, Exhibit, Question, QuestionSettings, Work
from imprint.analyses.questions.foresight import measure as foresight_pieces
from imprint.analyses.raising.imagination import Growing
from imprint.analyses.statistics import mean_of_all
from imprint.analyses.verdicts import Conclusion

GATE = 0.95
"""Least part of imagined places that must be right at the horizon."""
CONTROLS: dict[str, dict[str, Any]] = {"newborn": {"updates": 0}, "not taught the end": {"ends": False}}
"""World models grown otherwise."""


class Settings(QuestionSettings):
    """How much is grown and tried."""

    seeds: int = Field(8, ge=2)
    """Training seeds, numbered from ``seed``."""
    control_seeds: int = Field(4, ge=2)
    """Training seeds of world models that are grown otherwise."""
    together: int = Field(4, ge=1)
    """Seeds that grow as one batch."""
    events: tuple[int, ...] = (1, 3, 10)
    """Numbers of rewarded walks; the verdict is about the first."""
    draws: int = Field(4, ge=1)
    """Draws of rewarded walks per seed."""
    rooms: int = Field(80, ge=10)
    """New rooms per seed."""
    horizon: int = Field(6, ge=2, le=7)
    """Steps that are planned; coins lie 2 to that many steps away."""
    many: int = Field(300, ge=1)
    """Rewarded walks of a model-free learner that has had enough."""
    growing: Growing = Growing()
    """How world models grow."""


class Foresight(Question[Settings]):
    """Plans from one taste, beside model-free learning and projections."""

    card: ClassVar[Card] = Card(
        question="Can a taste that was felt once be turned into a plan by a route that was never rewarded?",
        prediction="Yes: a planner with a world model grown without reward and a linear valence painted by one "
        "rewarded event reaches coins in new rooms; a model-free learner with the same events does not. Without the "
        "direction of the concept 'on the coin' the planner is no better than random sequences; without a random "
        "direction it is as good as before.",
        refuted_if="Any of the four numbers lies with its whole interval on the wrong side of its bound.",
        decision=f"World models must place the agent right in {GATE:g} of imagined steps at the horizon (lower end), "
        "or nothing is decided. With the first number of events (one), in rooms whose coin cell and walls no rewarded "
        "walk had: success of the planner at least 0.8; of the model-free learner at most 0.2; planner without the "
        "concept's direction less random sequences between -0.05 and 0.05; planner less planner without a random "
        "direction at most 0.05. Student's 95 % intervals over seeds must lie wholly inside: confirmed; one wholly "
        "outside: refuted; otherwise undetermined. World models grown otherwise, misplaced tastes and more events are "
        "shown, not judged.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 7 (from hardcoded drives to foresighted plans), and post "
        "2, section 2.7.",
    )

    def work(self) -> list[Work]:
        """One piece per batch of seeds."""
        s = self.settings
        common = {"events": list(s.events), "draws": s.draws, "rooms": s.rooms, "horizon": s.horizon}
        numbers = list(range(s.seed, s.seed + s.seeds))
        grown = s.growing.model_dump()
        pieces = [
            Work(f"seeds-{part[0]}", foresight_pieces.measure,
                 {"seeds": part, "growing": grown, "many": s.many, **common})
            for part in (numbers[i : i + s.together] for i in range(0, s.seeds, s.together))
        ]  # fmt: skip
        others = list(range(s.seed, s.seed + s.control_seeds))
        return pieces + [
            Work(name.replace(" ", "-"), foresight_pieces.measure,
                 {"seeds": others, "growing": {**grown, **change}, "many": 0, **common})
            for name, change in CONTROLS.items()
        ]  # fmt: skip

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The four numbers, after the gate."""
        s = self.settings
        parts = {name: table for name, table in tables.items() if name.startswith("seeds-")}
        if not parts or any(name.startswith("seeds-") for name in failed):
            return Answer("undetermined", f"Seeds are missing: {'; '.join(failed.values())}", findings([]), ())
        whole = pd.concat(parts.values(), ignore_index=True)
        success = _successes(whole)
        for name in CONTROLS:
            if (table := tables.get(name.replace(" ", "-"))) is not None:
                control = _successes(table)
                success = pd.concat(
                    [success, control[control["arm"] == "planner"].assign(arm=f"planner, model {name}")]
                )
        verdict, why = decide(whole, success, s.events[0], s.horizon)
        shown, model = _shown(success), _model(whole)
        why += "".join(f" {name} failed." for name in failed)
        return Answer(verdict, why, _findings(verdict, why, shown, success, model), _exhibits(shown, success, model))


def _successes(table: pd.DataFrame) -> pd.DataFrame:
    """Success per seed, arm and number of events, mean over draws; n: plans carried out."""
    rows = table[table["metric"] == "success"]
    grouped = rows.groupby(["arm", "events", "seed"], sort=False)
    return grouped.agg(success=("value", "mean"), n=("n", "sum")).reset_index()


def _per_seed(success: pd.DataFrame, arm: str, events: int) -> pd.Series:
    rows = success[(success["arm"] == arm) & (success["events"] == events)]
    return rows.set_index("seed")["success"].sort_index()


def decide(table: pd.DataFrame, success: pd.DataFrame, events: int, horizon: int) -> tuple[Conclusion, str]:
    """The card's rule."""
    foreseen = table[(table["metric"] == "agent") & (table["step"] == horizon)]
    gate = Prediction(f"places foreseen at step {horizon}", mean_of_all(foreseen["value"]), least=GATE)
    planner, projected = (_per_seed(success, arm, events) for arm in ("planner", "concept projected"))
    turned, free = (_per_seed(success, arm, events) for arm in ("random projected", "model-free"))
    random = _per_seed(success, "random sequences", 0)
    predictions = [
        Prediction("planner", mean_of_all(planner), least=0.8),
        Prediction("model-free", mean_of_all(free), most=0.2),
        Prediction("without the concept, less random", mean_of_all(projected - random), least=-0.05, most=0.05),
        Prediction("loss without a random direction", mean_of_all(planner - turned), most=0.05),
    ]
    verdict, said = judged(predictions)
    if not (gate.measured.low >= GATE or gate.measured.low == gate.measured.high == 1.0):
        return "undetermined", f"{gate}: plans in this model cannot be judged. {said}."
    return verdict, f"{gate}; {said}."


def _shown(success: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (arm, events), part in success.groupby(["arm", "events"], sort=False):
        mean = mean_of_all(part["success"]).row("success")
        label = "any" if events == 0 else f"{events:g}"
        rows.append({"arm": arm, "events": label, **mean, "n": int(part["n"].sum())})
    return pd.DataFrame(rows)


def _model(table: pd.DataFrame) -> pd.DataFrame:
    """How often world models foresee rightly, per step."""
    rows = []
    for key, part in table[table["arm"] == "model"].groupby(["metric", "step"], sort=False):
        metric, step = cast("tuple[str, float]", key)
        mean = mean_of_all(part["value"]).row("right")
        rows.append({"what": metric, "step": int(step), **mean, "n": int(part["n"].sum())})
    return pd.DataFrame(rows)


def _exhibits(shown: pd.DataFrame, success: pd.DataFrame, model: pd.DataFrame) -> tuple[Exhibit, ...]:
    steps = model[model["step"] > 0]
    last = steps[steps["step"] == steps["step"].max()].set_index("what")["right"]
    first = shown[shown["events"] != "any"]["events"].iloc[0]
    best = shown[shown["events"].isin(["any", first])].set_index("arm")["success"]
    return (
        Exhibit("model", "Does the world model foresee?", model,
                f"After one look, the whole frame is right in {last['frame']:.3f} and the agent's place in "
                f"{last['agent']:.3f} of the walks at the last step.",
                "Random walks in new rooms; end_hit: ends that are foreseen, end_false: other frames called an end. "
                "95 % intervals over seeds."),
        Exhibit("foreseen", "What is foreseen, step by step", steps,
                f"The frame is right in {steps[steps['what'] == 'frame']['right'].min():.3f} of the walks or more.",
                "95 % interval over seeds.",
                Chart("lines", "step", "right", "steps after the only look", "foreseen rightly", low="low", high="high",
                      colour="what", reference=GATE)),
        Exhibit("success", "Who reaches the coin in a new room?", shown,
                f"With {first} rewarded walk, the planner reaches {best['planner']:.2f} of the coins, the model-free "
                f"learner {best['model-free']:.2f}; "
                f"random sequences {best['random sequences']:.2f}.",
                "Part of the rooms in which the coin is reached within the horizon; 95 % interval over seeds. "
                "Model-free learners look at every step and show the better of two ways of acting.",
                Chart("points", "arm", "success", "arm", "coin reached", low="low", high="high", colour="events",
                      reference=0.8)),
        Exhibit("seeds", "Every seed", success, f"{success['seed'].nunique()} seeds.",
                "Mean over draws of rewarded walks."),
    )  # fmt: skip


def _findings(
    verdict: Conclusion, why: str, shown: pd.DataFrame, success: pd.DataFrame, model: pd.DataFrame
) -> pd.DataFrame:
    rows: list[dict[str, Any]] = [{"metric": "foresight", "verdict": verdict, "why": why}]
    for r in shown.to_dict("records"):
        rows.append({"metric": "success", "estimate": r["success"], "low": r["low"], "high": r["high"], "n": r["n"],
                     "seeds": r["seeds"], "control": f"{r['arm']}, {r['events']} events"})  # fmt: skip
    for r in success.to_dict("records"):
        rows.append({"metric": "success", "estimate": r["success"], "seed": r["seed"], "seeds": 1, "n": r["n"],
                     "control": f"{r['arm']}, {r['events']:g} events"})  # fmt: skip
    for r in model.to_dict("records"):
        rows.append({"metric": f"foreseen_{r['what']}", "estimate": r["right"], "low": r["low"], "high": r["high"],
                     "n": r["n"], "seeds": r["seeds"], "site": f"step {r['step']}"})  # fmt: skip
    return findings([{"analysis": "foresight", **row} for row in rows])
