"""Tables and charts of the question foresight."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds

ERASED = r"^(concept|random) erased, rank (\d+)$"
"""Arms without the concept, or without as many random directions."""
OVER = "95 % interval over seeds."


def exhibits(means: pd.DataFrame, success: pd.DataFrame, model: pd.DataFrame, gate: float) -> list[Exhibit]:
    """All tables of the answer: ``success`` by arm and number of events of every seed, and its ``means`` over seeds.

    ``model``: how often world models predict rightly, per step. ``gate``: part of imagined places that must be right.
    """
    steps = model[model["step"] > 0]
    seeds = exhibit_of_seeds(success, "Mean over draws.")
    return [_model(model, steps), _steps(steps, gate), _success(means), _erasures(means), seeds]


def _model(model: pd.DataFrame, steps: pd.DataFrame) -> Exhibit:
    last = steps[steps["step"] == steps["step"].max()].set_index("what")["right"]
    reading = f"After one look, the whole frame is right in {last['frame']:.3f} and the agent's place in "
    reading += f"{last['agent']:.3f} of the walks at the last step."
    caption = "Random walks in new rooms; end_hit: ends that are predicted, end_false: other frames that are predicted "
    caption += f"to be an end. {OVER}"
    return Exhibit("model", "Does the world model predict?", model, reading, caption)


def _steps(steps: pd.DataFrame, gate: float) -> Exhibit:
    worst = steps[steps["what"] == "frame"]["right"].min()
    reading, titles = f"The frame is right in {worst:.3f} of the walks or more.", ("steps after the look", "right")
    chart = chart_over_seeds("lines", "step", "right", titles, colour="what", reference=gate)
    return Exhibit("foreseen", "What is predicted, step by step", steps, reading, OVER, chart)


def _success(means: pd.DataFrame) -> Exhibit:
    first = means[means["events"] != "any"]["events"].iloc[0]
    best = means[means["events"].isin(["any", first])].set_index("arm")["success"]
    reading = f"With {first} rewarded walk, the planner reaches {best['planner']:.2f} of the coins, the model-free "
    reading += f"learner {best['model-free']:.2f}; random sequences {best['random sequences']:.2f}."
    caption = f"Part of the rooms in which the coin is reached within the horizon; {OVER} Model-free learners look at "
    caption += "every step and show the better of two ways of acting."
    chart = chart_over_seeds("points", "arm", "success", ("arm", "coin reached"), colour="events", reference=0.8)
    whole = means[~means["arm"].str.match(ERASED)]
    return Exhibit("success", "Who reaches the coin in a new room?", whole, reading, caption, chart)


def _erasures(means: pd.DataFrame) -> Exhibit:
    """Success by rank of the erasure, of the concept and of random subspaces."""
    parts = means["arm"].str.extract(ERASED).set_axis(["erased", "rank"], axis=1)
    curve = means.assign(**parts).dropna(subset="rank").astype({"rank": int}).drop(columns=["arm", "events"])
    curve = curve[["erased", "rank", *curve.columns.drop(["erased", "rank"])]]
    random = float(means.loc[means["arm"] == "random sequences", "success"].iloc[0])
    wide = curve.pivot_table(index="rank", columns="erased", values="success")
    listed = "; ".join(f"rank {rank} {row['concept']:.2f} ({row['random']:.2f})" for rank, row in wide.iterrows())
    reading = f"Coins reached with the concept erased (random subspaces of that rank): {listed}; random sequences "
    reading += f"{random:.2f}."
    caption = f"Rank 1: LEACE of the concept; then with the variance on the coin made equal, too. {OVER}"
    titles = "rank of the erasure", "coin reached"
    chart = chart_over_seeds("lines", "rank", "success", titles, colour="erased", reference=random)
    return Exhibit("erasures", "What is lost by the rank of the erasure", curve, reading, caption, chart)
