"""Episodes to play in the page: what the agent saw and did where the goal and its proxy lie apart, and its numbers.

The frames go into the page as they are, pixel for pixel, one PNG an episode (:func:`imprint.reports.pictures.film`).

Letters: E episodes, T frames, A actions, K facts, G goals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from imprint.reports.figures.axes import palette
from imprint.reports.parts import Table
from imprint.reports.pictures import PER_LINE, data_uri, film
from imprint.reports.reading.agents import outcome
from imprint.reports.reading.run import RunData
from imprint.reports.sections.base import Section
from imprint.reports.words import age_words, plural

EPISODES = 24
"""Episodes shown at most, outcomes in turn."""
FACTS = 8
"""Facts shown at most: those about the goals first."""
NEEDED = (
    "frames", "valid", "action", "value", "logits", "known", "level", "attained", "concepts", "actions", "goals",
)  # fmt: skip


class Replay(Section):
    """A player with an episode chooser, and a table of what happened."""

    order: ClassVar[int] = 7
    title: ClassVar[str] = "Episodes to replay"
    short: ClassVar[str] = "Replay"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """The player's data, or why there is none."""
        if not run.agents:
            return None
        arrays = run.arrays("replay", NEEDED)
        why = arrays.missing or misfit(arrays.values)
        if why:
            return {"missing": [f"No episodes: {why}."], "data": None}
        values = arrays.values
        happened = [outcome(row, [str(g) for g in values["goals"]]) for row in values["attained"]]
        chosen = in_turn(happened)[:EPISODES]
        episodes = [episode(run, values, i, happened[i]) for i in chosen]
        kinds = {kind: [n for n, i in enumerate(chosen) if happened[i] == kind] for kind in dict.fromkeys(happened)}
        table = pd.DataFrame(rows(values, happened))
        return {
            "data": {
                "episodes": episodes,
                "actions": [str(name) for name in values["actions"]],
                "size": [int(values["frames"].shape[3]), int(values["frames"].shape[2])],
                "across": PER_LINE,
            },
            "groups": {k: [(n, f"{n + 1} · {episodes[n]['words']}") for n in members] for k, members in kinds.items()},
            "tables": [Table("replay-episodes", "What happened in every stored episode", table)],
            "caption": caption(values, len(chosen)),
            "script": "replay.js",
        }


def misfit(values: Mapping[str, np.ndarray]) -> str:
    """Why the arrays do not fit together; empty when they do."""
    frames = values["frames"]
    if frames.dtype != np.uint8 or frames.ndim != 5 or frames.shape[4] != 3 or 0 in frames.shape:
        return f"frames are {frames.dtype} {list(frames.shape)}, not pictures uint8 [E, T, H, W, 3]"
    e, t = frames.shape[:2]
    a, k, g = (values[name].size for name in ("actions", "concepts", "goals"))
    expected = {
        "valid": (e, t), "action": (e, t), "value": (e, t), "logits": (e, t, a), "known": (e, t, k), "level": (k,),
        "attained": (e, g),
    }  # fmt: skip
    wrong = [name for name, shape in expected.items() if values[name].shape != shape]
    if wrong:
        return f"{wrong[0]} has shape {list(values[wrong[0]].shape)}, expected {list(expected[wrong[0]])}"
    return "" if values["valid"][:, 0].all() else "an episode has no first frame"


def in_turn(kinds: list[str]) -> list[int]:
    """Indices so that every kind has its turn before any has its second."""
    ranks = pd.Series(kinds).groupby(kinds).cumcount().to_numpy()
    return [int(i) for i in np.argsort(ranks, kind="stable")]


def episode(run: RunData, values: Mapping[str, np.ndarray], index: int, happened: str) -> dict[str, Any]:
    """One episode as the player takes it; numbers have four digits after the point."""
    steps = int(np.asarray(values["valid"][index], dtype=bool).sum())
    every = values["value"][np.isfinite(values["value"])]
    span = [float(every.min(initial=0.0)), float(every.max(initial=0.0))]
    return {
        "film": data_uri(film(values["frames"][index, :steps])),
        "steps": steps,
        "words": f"{happened}, {plural(steps - 1, 'step')}",
        "said": said(values, index, steps),
        "actions": [int(action) for action in values["action"][index, :steps]],
        "value": {"name": "value", "values": short(values["value"][index, :steps]), "range": span, "colour": "--ink"},
        "probabilities": [short(row) for row in softmax(values["logits"][index, :steps])],
        "readouts": [
            {
                "name": str(values["concepts"][k]),
                "values": short(values["known"][index, :steps, k]),
                "range": [0.0, 1.0],
                "level": short(values["level"][k : k + 1])[0],
                "colour": colour,
            }
            for k, colour in facts(run, [str(name) for name in values["concepts"]])
        ],
    }


def facts(run: RunData, names: list[str]) -> list[tuple[int, str]]:
    """Which facts are shown, those about the goals first, with their colours."""
    colours = palette(run.intended, run.proxies)
    goals = [name for name in (run.intended, *run.proxies) if name]
    about = [(k, colours[goal]) for goal in goals for k, name in enumerate(names) if name.startswith(f"{goal}_")]
    taken = {k for k, _ in about}
    return [*about, *((k, "--c-other1") for k in range(len(names)) if k not in taken)][:FACTS]


def said(values: Mapping[str, np.ndarray], index: int, steps: int) -> list[str]:
    """What is reached in each frame, in words."""
    words = [""] * steps
    for goal, at in zip(values["goals"], values["attained"][index], strict=True):
        if 0 <= at < steps:
            words[int(at)] = f"{words[int(at)]} and “{goal}”" if words[int(at)] else f"reaches “{goal}”"
    return words


def short(values: np.ndarray) -> list[float | None]:
    """Numbers with four digits after the point; None where there is none."""
    return [round(float(v), 4) if np.isfinite(v) else None for v in values]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits ``[T, A]``; NaN rows stay NaN."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return found


def rows(values: Mapping[str, np.ndarray], happened: list[str]) -> list[dict[str, Any]]:
    """What happened in every episode."""
    found = []
    for i, kind in enumerate(happened):
        reached = {
            f"{g} reached at": None if at < 0 else int(at)
            for g, at in zip(values["goals"], values["attained"][i], strict=True)
        }
        found.append({"episode": i, "happened": kind, "steps": int(values["valid"][i].sum()) - 1, **reached})
    return found


def caption(values: Mapping[str, np.ndarray], count: int) -> str:
    """Which agent the episodes are of."""
    of = f"{count} of {plural(len(values['frames']), 'stored episode')}."
    if {"seed", "age"} <= values.keys():
        of = f"Training seed {int(values['seed'].flat[0])} at {age_words(values['age'].flat[0])}; {of}"
    return f"{of} The value has one scale in all episodes; broken lines are what a readout of nothing would reach."
