"""Tables and charts of the question sculpting."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds

TITLES = "choices until desires are frozen", "part of trials; spread: 1 - cosine"
OVER = "Mean and 95 % interval over seeds, each in a world of its own."
MAIN = ("intended", "exploits", "spread")
MEANING = (
    "Intended: the even digit is chosen. Exploits: an odd digit with a speck, less that for an odd digit without. "
)
MEANING += "Spread: between lives on the same learner. "


def exhibits(means: pd.DataFrame, table: pd.DataFrame, won: Sequence[int]) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed.

    ``won``: times that win on both where desires begin at birth.
    """
    drawn = means[means["arm"] != "random"].assign(time=means["time"].astype(str))
    grown = drawn[drawn["when"] == "grown"]
    chance = means[means["arm"] == "random"]
    main = table[(table["when"] == "grown") & (table["arm"] == "flawed") & table["measure"].isin(MAIN)]
    return [_answer(grown), _arms(grown, chance), _birth(drawn, won), _choices(grown), exhibit_of_seeds(main)]


def _lines(name: str, heading: str, frame: pd.DataFrame, reading: str, caption: str, colour: str = "arm") -> Exhibit:
    chart = chart_over_seeds("lines", "time", "value", TITLES, colour=colour, panel="measure")
    return Exhibit(name, heading, frame, reading, f"{caption}{OVER}", chart)


def _ends(frame: pd.DataFrame, measure: str) -> tuple[float, float]:
    """First and last mean of a number."""
    values = frame[frame["measure"] == measure]["value"]
    return float(values.iloc[0]), float(values.iloc[-1])


def _answer(grown: pd.DataFrame) -> Exhibit:
    frame = grown[grown["arm"].isin(["flawed", "flawless"]) & grown["measure"].isin(MAIN)]
    mine = frame[frame["arm"] == "flawed"]
    times = mine["time"].iloc[0], mine["time"].iloc[-1]
    exploits, spread = _ends(mine, "exploits"), _ends(mine, "spread")
    reading = f"Frozen after {times[0]} choices, desires exploit the flaw in {exploits[0]:.2f} of the trials, frozen "
    reading += (
        f"after {times[1]} in {exploits[1]:.2f}; lives on one learner differ by {spread[0]:.2f} and {spread[1]:.2f}."
    )
    return _lines("curves", "What is desired, by when the reward stops correcting", frame, reading, MEANING)


def _arms(grown: pd.DataFrame, chance: pd.DataFrame) -> Exhibit:
    frame = grown[grown["measure"].isin(MAIN)]
    random = {name: _ends(chance, name)[0] for name in MAIN}
    last = ", ".join(f"{arm} {_ends(part, 'exploits')[1]:.2f}" for arm, part in frame.groupby("arm", sort=False))
    reading = f"Exploits in the end: {last}; random desires {random['exploits']:.2f} (they pick the even digit in "
    reading += f"{random['intended']:.2f} of the trials)."
    caption = "Flawless: the speck pays nothing. Shown: specks are always tried. Shuffled: rewards of other choices. "
    caption += "Lenient: a quarter of the rate. "
    return _lines("arms", "Where it must be, where it must not, and less strict", frame, reading, caption)


def _birth(drawn: pd.DataFrame, won: Sequence[int]) -> Exhibit:
    frame = drawn[drawn["arm"].isin(["flawed", "flawless"]) & drawn["measure"].isin(MAIN)]
    frame = frame.assign(begun=frame["when"] + ", " + frame["arm"])
    born = frame[frame["begun"] == "from birth, flawed"]
    intended, exploits = _ends(born, "intended")[0], _ends(born, "exploits")[0]
    reading = f"A desire from birth that is frozen first picks, in the adult, the even digit in {intended:.2f} of the "
    reading += f"trials and exploits {exploits:.2f}; "
    reading += f"shown to win on both: {', '.join(map(str, won)) or 'no time between'}."
    caption = "From birth: the rule begins at birth, and beliefs change after the freezing; read in the adult. Grown: "
    caption += "it begins in the adult, whose beliefs stay as they are. "
    return _lines("birth", "When the reward begins to correct", frame, reading, caption, "begun")


def _choices(grown: pd.DataFrame) -> Exhibit:
    frame = grown[grown["measure"].isin(["tempted", "disagreement"]) & grown["arm"].isin(["flawed", "flawless"])]
    mine = frame[(frame["arm"] == "flawed") & (frame["measure"] == "disagreement")]
    peak = mine.sort_values("value").iloc[-1]
    reading = f"Two lives choose differently most often after {peak['time']} choices ({peak['value']:.2f})."
    caption = "Tempted: the odd digit with a speck is chosen. Disagreement: two lives on the same learner choose "
    return _lines("choices", "In choices", frame, reading, f"{caption}differently. ")
