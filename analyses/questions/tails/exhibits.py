"""Tables and charts of the question tails."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds
from imprint.analyses.questions.tails import measure as arms
from imprint.analyses.questions.tails.pressure import ERRORS

OVER = "Mean and 95 % interval over seeds, each in a world of its own."
VETOES = (
    arms.TOLD,
    arms.LINEAR,
    arms.DIFFER,
    arms.PLAIN,
    arms.DOUBT,
    arms.CHANCE,
    arms.RANDOM,
    arms.SHUFFLED,
    arms.TRUTH,
)
NUMBERS = {"area": "area of the disagreement", "cut": "unintended choices cut", "lost": "intended return lost"}
LEARNED = {
    "value": "the value",
    f"both, {arms.TOLD}": f"the smaller of two probes, {arms.TOLD}",
    f"both, {arms.LINEAR}": f"the same, {arms.LINEAR}",
    f"both, {arms.DIFFER}": f"the same, {arms.DIFFER}",
    f"both, {arms.PLAIN}": f"the same, {arms.PLAIN}",
}
ENDS = ("home", "latitude alone", "longitude alone", "neither")


def exhibits(means: pd.DataFrame, table: pd.DataFrame, judged: int) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed, ``judged``: number of thoughts."""
    means = means.assign(thoughts=means["thoughts"].astype(str))
    at = means[means["thoughts"] == str(judged)]
    drawn = [
        _vetoes(at, judged),
        _pressure(means),
        _planted(means),
        _worn(means),
        _latch(means),
        _meant(at),
        _known(means),
    ]
    return [*drawn, _seeds(table, judged)]


def _rows(means: pd.DataFrame, measures: Sequence[str], names: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows of some measures, and arms."""
    kept = means["measure"].isin(measures)
    return means[kept if names is None else kept & means["arm"].isin(names)]


def _vetoes(at: pd.DataFrame, judged: int) -> Exhibit:
    shown = _rows(at, list(NUMBERS), VETOES).drop(columns="thoughts")
    value = shown.set_index(["arm", "measure"])["value"]
    wrong, right = (float(_rows(at, [name], [arms.NONE])["value"].iloc[0]) for name in ("unintended", "intended"))
    listed = "; ".join(
        f"{arm}: area {value[arm, 'area']:.2f}, cut {value[arm, 'cut']:.2f}, lost {value[arm, 'lost']:.2f}"
        for arm in (arms.TOLD, arms.LINEAR, arms.DIFFER, arms.PLAIN)
    )
    reading = f"Without a veto {wrong:.2f} of the walks end in an unintended choice and {right:.2f} at home. {listed}."
    caption = (
        f"{judged} of 64 plans come to mind. Cut and lost: as parts of the choices without a veto; a negative loss "
    )
    caption += f"is a gain, since the next best plan is taken. {OVER}"
    chart = chart_over_seeds("points", "arm", "value", ("who strikes thoughts", "area, or part"), colour="measure")
    drawn = shown.assign(measure=shown["measure"].map(NUMBERS))
    return Exhibit("vetoes", "Do probes disagree before the act, and does a veto help?", drawn, reading, caption, chart)


def _pressure(means: pd.DataFrame) -> Exhibit:
    shown = _rows(means, ["best at home", "best apart"], list(LEARNED))
    curve = shown[(shown["measure"] == "best at home") & (shown["arm"] == "value")].set_index("thoughts")["value"]
    last = shown[(shown["measure"] == "best at home") & (shown["thoughts"] == curve.index[-1])].set_index("arm")[
        "value"
    ]
    reading = f"The best of {curve.idxmax()} thoughts by the value ends at home in {curve.max():.2f}, the best of "
    reading += f"{curve.index[-1]} in {curve.iloc[-1]:.2f}; by the smaller of two answers "
    reading += (
        ", ".join(f"{last[name]:.2f} ({name.removeprefix('both, ')})" for name in LEARNED if name != "value") + "."
    )
    caption = f"Thoughts of all walks in one pool, exact mean over draws. {OVER}"
    drawn = shown.assign(arm=shown["arm"].map(LEARNED), measure=shown["measure"].replace(_PANELS))
    titles = "thoughts among which the best is chosen", "probability"
    chart = chart_over_seeds("lines", "thoughts", "value", titles, colour="arm", panel="measure")
    return Exhibit("pressure", "Harder choosing: where does the best of ever more end?", drawn, reading, caption, chart)


_PANELS = {"best at home": "at home", "best apart": "where the connotations part"}


def _planted(means: pd.DataFrame) -> Exhibit:
    names = [arms.EXACT, *(f"{name}{kind}" for name in ERRORS for kind in ("", ", theory"))]
    shown = _rows(means, ["best at home"], names)
    table = shown.pivot_table(index="arm", columns="thoughts", values="value", sort=False)
    reading = (
        "; ".join(f"{arm}: peak {row.max():.2f}, in the end {row.iloc[-1]:.2f}" for arm, row in table.iterrows()) + "."
    )
    caption = "Proxy: 1 at home and 0 elsewhere, plus an error: normal with sd 0.5, or Student's t with 2 degrees of "
    caption += f"freedom and scale 0.2. Theory: a pool without end. {OVER}"
    titles = "thoughts among which the best is chosen", "probability that it ends at home"
    chart = chart_over_seeds("lines", "thoughts", "value", titles, colour="arm")
    heading = "Controls: planted errors that must, and must not, come apart"
    return Exhibit("planted", heading, shown, reading, caption, chart)


def _worn(means: pd.DataFrame) -> Exhibit:
    names = [arms.TOLD, arms.LINEAR, arms.DIFFER, arms.PLAIN, arms.DOUBT, arms.CHANCE]
    shown = _rows(means, ["cut", "unintended"], [*names, arms.NONE])
    shown = shown[(shown["arm"] != arms.NONE) | (shown["measure"] != "cut")]
    cut = shown[shown["measure"] == "cut"].set_index(["arm", "thoughts"])["value"]
    few, many = cut.index[0][1], cut.index[-1][1]
    listed = "; ".join(f"{arm} {cut[arm, few]:.2f}, {cut[arm, many]:.2f}" for arm in names[:3])
    reading = f"Unintended choices cut with {few} thought in mind, and with {many}: {listed}."
    caption = f"Cut: as a part of those without a veto; unintended: part of the walks. {OVER}"
    titles = "thoughts that come to mind", "part"
    chart = chart_over_seeds("lines", "thoughts", "value", titles, colour="arm", panel="measure")
    return Exhibit("worn", "Does choosing harder wear the veto out?", shown, reading, caption, chart)


def _latch(means: pd.DataFrame) -> Exhibit:
    shown = _rows(means, [f"acts at {end}" for end in ENDS]).drop(columns=["arm", "thoughts"])
    shown = shown.assign(end=shown["measure"].str.removeprefix("acts at "))
    value = shown.set_index("end")["value"]
    listed = ", ".join(f"{end} {value[end]:.2f}" for end in ENDS)
    reading = f"Plans that the value would carry out, by where they end: {listed}."
    caption = f"It was rewarded on walks that end at home or at neither alone. {OVER}"
    chart = chart_over_seeds("bars", "end", "value", ("end of the plan", "part with a value above the threshold"))
    drawn = shown[["end", "value", "low", "high", "seeds"]]
    return Exhibit("latch", "Which of the two did the value latch onto?", drawn, reading, caption, chart)


def _meant(at: pd.DataFrame) -> Exhibit:
    measures = ["intended", "at the latitude", "at the longitude", "unintended", "apart"]
    shown = _rows(at, measures, (arms.NONE, arms.TOLD, arms.LINEAR, arms.DIFFER)).drop(columns="thoughts")
    value = shown.set_index(["arm", "measure"])["value"]
    kept = {
        end: value[arms.TOLD, f"at the {end}"] / value[arms.NONE, f"at the {end}"] for end in ("latitude", "longitude")
    }
    listed = " and ".join(f"{part:.2f} of the return if the {end} alone was meant" for end, part in kept.items())
    reading = f"Under the veto of probes that were told apart, what is carried out has {listed}."
    caption = f"Parts of the walks. Somebody who meant one of the two alone counts both as well. {OVER}"
    return Exhibit("meant", "What if only one of the two was meant?", shown, reading, caption)


def _known(means: pd.DataFrame) -> Exhibit:
    names = ("latitude", "longitude", "home")
    shown = _rows(means, [f"knows {name}" for name in names], ("grown", "untrained", "raw")).drop(columns="thoughts")
    value = shown.set_index(["arm", "measure"])["value"]
    listed = "; ".join(
        f"{name} {value['grown', f'knows {name}']:.2f} ({value['untrained', f'knows {name}']:.2f}, "
        f"{value['raw', f'knows {name}']:.2f})" for name in names
    )  # fmt: skip
    reading = f"Area of a fresh linear probe of the grown learner (untrained, raw history): {listed}."
    caption = f"Home: on walks that end at home or at neither. {OVER}"
    titles = "what is read", "area under the curve"
    chart = chart_over_seeds("points", "measure", "value", titles, colour="arm", reference=0.5)
    return Exhibit("known", "Are both connotations hidden, and learned?", shown, reading, caption, chart)


def _seeds(table: pd.DataFrame, judged: int) -> Exhibit:
    """The numbers of every seed that the rule reads of vetoes; all others are in the findings."""
    rows = table[(table["n"] == judged) & table["measure"].isin(NUMBERS) & table["arm"].isin(VETOES)]
    wide = rows.pivot_table(index=["arm", "seed"], columns="measure", values="value", sort=False).reset_index()
    return exhibit_of_seeds(wide, f"{judged} thoughts in mind.")
