"""Tables and charts of the question cue-competition."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds

OVER = "Above 0: as in animals; value of one unit of food: 1. Mean and 95 % interval over seeds."
AXES = ("effect", "size, in units of reward")


def exhibits(means: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed."""
    named = means.assign(reader=means["learner"] + ", " + means["assessor"])
    effects = named[~named["measure"].isin(["off", "V(A), learned"])]
    main = table[(table["learner"] == "growing") & (table["assessor"] != "short-term")]
    return [_answer(effects), _theories(effects), _learners(effects), _exact(named), exhibit_of_seeds(main)]


def _points(name: str, heading: str, frame: pd.DataFrame, reading: str, caption: str) -> Exhibit:
    chart = chart_over_seeds("points", "measure", "value", AXES, colour="reader", reference=0.0)
    columns = ["reader", "measure", "value", "low", "high", "seeds"]
    return Exhibit(name, heading, frame[columns], reading, f"{caption} {OVER}", chart)


def _answer(effects: pd.DataFrame) -> Exhibit:
    frame = effects[(effects["learner"] == "growing") & (effects["assessor"] != "short-term")]
    largest, smallest = (frame.sort_values("value").iloc[i] for i in (-1, 0))
    reading = (
        f"The largest effect is {largest['measure']} ({largest['value']:.2f}), the smallest {smallest['measure']} "
    )
    reading += f"({smallest['value']:.2f})."
    caption = "A critic (temporal differences) on latents of learners that go on learning; instant revaluation: a "
    return _points("effects", "As in animals?", frame, reading, f"{caption}scorecard that a homeostat reads.")


def _theories(effects: pd.DataFrame) -> Exhibit:
    chosen = effects["learner"].eq("planted") | effects["reader"].isin(["growing, short-term", "growing, long-term"])
    frame = effects[chosen & (effects["assessor"] != "scorecard")]
    by = frame.pivot_table(index="measure", columns="reader", values="value", sort=False)
    pairs = (("planted, delta rule", "growing, short-term"), ("planted, TD", "growing, long-term"))
    other = {
        mine: [m for m in by.index if by[theory][m] * by[mine][m] < 0 and abs(by[theory][m]) > 0.01]
        for theory, mine in pairs
    }
    told = "; ".join(f"{mine.removeprefix('growing, ')}: {', '.join(names) or 'none'}" for mine, names in other.items())
    reading = f"Effects whose sign is another on learned latents than by the same rule in closed form: {told}."
    caption = "Planted: each cue has a latent of its own, and the rule is worked out in closed form."
    return _points("theories", "Beside the theories of animals", frame, reading, caption)


def _learners(effects: pd.DataFrame) -> Exhibit:
    frame = effects[(effects["learner"] != "planted") & (effects["assessor"] != "short-term")]
    frame = frame.assign(reader=frame["learner"])
    means = frame.groupby("learner", sort=False)["value"].mean()
    reading = "Mean of all effects: " + ", ".join(f"{name} {value:.2f}" for name, value in means.items()) + "."
    caption = (
        "Growing: goes on learning while it is conditioned. Grown: stays as it is. Newborn: untrained, and stays. "
    )
    return _points(
        "learners", "By learner", frame, reading, f"{caption}Shuffled: what follows is that of another group."
    )


def _exact(named: pd.DataFrame) -> Exhibit:
    frame = named[named["measure"].isin(["off", "V(A), learned"])]
    worst = frame[frame["measure"] == "off"]["high"].max()
    reading = f"In orthogonal latents assessors are off from the closed form by at most {worst:.1g}."
    columns = ["reader", "measure", "value", "low", "high", "seeds"]
    return Exhibit("exact", "Checks", frame[columns], reading, "Off: largest over groups, tests and times. " + OVER)
