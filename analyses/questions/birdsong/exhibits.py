"""Tables and charts of the question birdsong."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds

OVER = "Mean and 95 % interval over species, each the mean of its birds."
SCORES, ALIKE = ("score", "score by its teacher"), ("song alike", "motor program alike")


def exhibits(
    songs: pd.DataFrame, lives: pd.DataFrame, each_song: pd.DataFrame, each_life: pd.DataFrame
) -> list[Exhibit]:
    """All tables of the answer: means over species of songs and of lives, and the numbers of every species."""
    last = each_song[each_song["day"] == each_song["day"].max()]
    every = pd.concat([last.drop(columns="day"), each_life], ignore_index=True)
    return [
        _scores(songs),
        _alike(songs),
        _practice(lives),
        _days(lives),
        exhibit_of_seeds(every, "Songs: on the last day."),
    ]


def _last(frame: pd.DataFrame, arm: str, measure: str) -> float:
    rows = frame[(frame["arm"] == arm) & (frame["measure"] == measure)]
    return float(rows["value"].iloc[-1])


def _scores(songs: pd.DataFrame) -> Exhibit:
    frame = songs[songs["measure"].isin(SCORES) & (songs["arm"] != "babble")]
    reading = f"Hearing birds end at {_last(frame, 'hearing', 'score'):.2f} of a perfect score, deaf ones at "
    reading += f"{_last(frame, 'deaf', 'score'):.2f}; babbling gets {_last(songs, 'babble', 'score'):.2f}. Birds whose "
    reading += f"judge is scrambled end at {_last(frame, 'scrambled', 'score'):.2f} by their species' judge and at "
    reading += f"{_last(frame, 'scrambled', 'score by its teacher'):.2f} by their own."
    titles = ("days of song", "part of a perfect song's score")
    caption = (
        "Score: by the judge of the species; by its teacher: by the judge that taught the bird. Deaf: neither bird "
    )
    caption += "nor judge hears anything. Scrambled: taught by a judge to which another song is good. Plain body: a "
    caption += "syrinx with one side, in which a sound has fewer postures. "
    chart = chart_over_seeds("lines", "day", "value", titles, colour="arm", panel="measure")
    return Exhibit("scores", "How well they sing", frame, reading, f"{caption}{OVER}", chart)


def _alike(songs: pd.DataFrame) -> Exhibit:
    frame = songs[songs["measure"].isin(ALIKE) & ~songs["arm"].isin(["babble", "deaf"])]
    song, motor = (_last(frame, "hearing", name) for name in ALIKE)
    reading = f"Grown birds of one species have songs that correlate {song:.2f} and motor programs that correlate "
    reading += f"{motor:.2f}; in a plain body the programs correlate "
    reading += f"{_last(frame, 'plain body', 'motor program alike'):.2f}."
    caption = "Songs: spectrograms less that of babbling. Motor programs: expected levels of every articulator. "
    chart = chart_over_seeds(
        "lines", "day", "value", ("days of song", "correlation"), colour="measure", panel="arm", reference=0.0
    )
    return Exhibit("alike", "Same song, other movements", frame, reading, f"{caption}{OVER}", chart)


def _practice(lives: pd.DataFrame) -> Exhibit:
    reading = f"With one scalar the birds need {_last(lives, 'one scalar', 'days'):.0f} days, with two channels "
    reading += f"{_last(lives, 'two channels', 'days'):.0f}, and end at "
    reading += f"{_last(lives, 'one scalar', 'score in the end'):.2f} and "
    reading += f"{_last(lives, 'two channels', 'score in the end'):.2f} of a perfect score."
    parts = lives[lives["measure"] != "days"].reset_index(drop=True)
    chart = chart_over_seeds("bars", "arm", "value", ("what teaches what", "rate, or part of a score"), panel="measure")
    return Exhibit("practice", "Who practises", parts, reading, OVER, chart)


def _days(lives: pd.DataFrame) -> Exhibit:
    frame = lives[lives["measure"] == "days"].reset_index(drop=True)
    at = frame.sort_values("value").set_index("arm")["value"]
    reading = f"Days until a good song: {', '.join(f'{arm} {days:.0f}' for arm, days in at.items())}."
    chart = chart_over_seeds("bars", "arm", "value", ("what teaches what", "days until a good song"))
    caption = f"All days of a life where it is never good. {OVER}"
    return Exhibit("days", "How long it takes", frame, reading, caption, chart)
