"""Tables and charts of the question chicks."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Chart, Exhibit, exhibit_of_seeds
from imprint.analyses.questions.chicks.references import CONDITIONS, latched_animals
from imprint.analyses.statistics import Estimate

MAIN = "contrast; head; long"
TITLES = ("what is changed in the other object", "preference for the own object")
ERRORS = "Bars are standard errors: over ten chicks, and over training seeds, each with an object of its own."


def exhibits(
    preferences: pd.DataFrame, ranked: pd.DataFrame, table: pd.DataFrame, ceiling: tuple[Estimate, float]
) -> list[Exhibit]:
    """All tables of the answer.

    ``preferences``: of chicks and arms; ``ranked``: arms by their distance from the animals; ``table``: of every seed.
    """
    main = table[
        (table["rearing"] == "normal")
        & (table["learner"] == "contrast")
        & (table["detector"] == "head")
        & (table["window"] == "long")
    ]
    seeds = main[["condition", "seed", "difference", "share"]]
    return [
        _beside(preferences),
        _ranked(ranked, ceiling),
        _latched(ranked),
        _controls(preferences),
        _predisposition(table),
        exhibit_of_seeds(seeds.reset_index(drop=True), "Difference in value, and how often the own object has more."),
    ]


def _points(frame: pd.DataFrame) -> pd.DataFrame:
    columns = ["who", "condition", "preference", "se", "low", "high"]
    order = pd.Categorical(frame["condition"], CONDITIONS, ordered=True)
    return frame.assign(order=order).sort_values(["order", "who"])[columns].reset_index(drop=True)


def _beside(preferences: pd.DataFrame) -> Exhibit:
    frame = _points(preferences[preferences["who"].isin(["chicks", MAIN])])
    wide = frame.pivot_table(index="condition", columns="who", values="preference", observed=True)
    apart = (wide[MAIN] - wide["chicks"]).abs()
    most = wide.loc[apart == apart.max()].iloc[0]
    reading = f"Learner and chicks are furthest apart for {most.name} ({most[MAIN]:.2f} and {most['chicks']:.2f})."
    chart = Chart("points", "condition", "preference", *TITLES, low="low", high="high", colour="who", reference=0.5)
    caption = f"{ERRORS} The steepness of choice is set by the last but one condition (all is new)."
    return Exhibit("beside", "Learner and newborn chicks", frame, reading, caption, chart)


def _ranked(ranked: pd.DataFrame, ceiling: tuple[Estimate, float]) -> Exhibit:
    first = ranked.iloc[0]
    reading = f"Closest is {first['learner']} with {first['detector']} and {first['window']}: {first['distance']:.3f}, "
    reading += f"rank correlation {first['rank']:.2f}; it is the closest in {first['closest']:.0%} of the draws."
    caption = f"The animals, measured again, would correlate with themselves by {ceiling[0]:.2f}, and their own "
    caption += f"standard errors amount to {ceiling[1]:.3f}. Intervals of 95 % over draws of seeds."
    frame = ranked.assign(steered=ranked["detector"] + ", " + ranked["window"])
    chart = Chart("heat", "steered", "learner", "detector and window", "learner", colour="distance")
    return Exhibit("arms", "Which learner, detector and window comes closest", frame, reading, caption, chart)


def _latched(ranked: pd.DataFrame) -> Exhibit:
    colour, conjunction = latched_animals()
    frame = ranked[ranked["window"] == "long"][
        ["learner", "detector", *(f"{n}{e}" for n in ("colour", "conjunction") for e in ("", "_low", "_high"))]
    ].reset_index(drop=True)
    low, high = frame["colour"].min(), frame["colour"].max()
    reading = (
        f"Colour makes up {low:.2f} to {high:.2f} of what is latched onto (chicks {colour:.2f}); exchanged shapes "
    )
    reading += f"take {frame['conjunction'].min():.2f} to {frame['conjunction'].max():.2f} of the value that all new "
    reading += f"ones take (chicks {conjunction:.2f})."
    caption = "Shapley's share of colour; the rest is shape. Conjunction: 0 if colours and shapes are valued one by "
    caption += "one. Window long; chicks: from the log odds of their mean preferences."
    chart = Chart(
        "points", "learner", "colour", "learner", "share of colour", low="colour_low", high="colour_high",
        colour="detector", reference=colour,
    )  # fmt: skip
    return Exhibit("latched", "What the imprint latched onto", frame, reading, caption, chart)


def _controls(preferences: pd.DataFrame) -> Exhibit:
    chosen = ["contrast; shuffled; long", f"{MAIN}; scrambled object", "contrast, untrained; head; long", MAIN]
    frame = _points(preferences[preferences["who"].isin(chosen)])
    wide = frame.pivot_table(index="condition", columns="who", values="preference", observed=True)
    scrambled, untrained = wide[chosen[1]], wide[chosen[2]]
    reading = f"Reared with a scrambled object, exchanged shapes are told in {scrambled['exchanged']:.2f} and two new "
    reading += f"colours in {scrambled['2 colours']:.2f}; without learning, {untrained['exchanged']:.2f} and "
    reading += f"{untrained['2 colours']:.2f}."
    caption = f"{ERRORS} Each arm has a steepness of its own."
    chart = Chart("points", "condition", "preference", *TITLES, low="low", high="high", colour="who", reference=0.5)
    return Exhibit(
        "controls", "Nothing to imprint on, no shape to see, nothing learned", frame, reading, caption, chart
    )


def _predisposition(table: pd.DataFrame) -> Exhibit:
    rows = table[(table["condition"] == "rival") & (table["rearing"] == "normal") & (table["detector"] != "shuffled")]
    rows = rows[rows["window"].isin(["none", "long"])]
    frame = rows.groupby(["learner", "detector"], sort=False)["share"].agg(["mean", "sem"]).reset_index()
    frame = frame.rename(columns={"mean": "share", "sem": "se"})
    frame = frame.assign(low=frame["share"] - frame["se"], high=frame["share"] + frame["se"])
    at = frame.set_index(["learner", "detector"])["share"]
    reading = "Before imprinting the detector of head and motion prefers its own object at rest in "
    reading += (
        f"{at['innate', 'head']:.2f} of the trials, the imprinted value in {at['contrast', 'head']:.2f} with that "
    )
    reading += f"detector and {at['contrast', 'matter']:.2f} with the one of matter."
    caption = "The own object, still and without a crest, against a moving crested one that is new in everything; "
    caption += "innate: by the detector alone. Standard errors over seeds; window long."
    chart = Chart(
        "points", "learner", "share", "learner", "own object at rest is valued more", low="low", high="high",
        colour="detector", reference=0.5,
    )  # fmt: skip
    return Exhibit("predisposition", "Predisposition against imprint", frame, reading, caption, chart)
