"""Episodes to play in the page: what the agent saw and did where the goal and its proxy are apart, and its numbers.

The frames go into the page as they are, pixel for pixel, one PNG an episode (:func:`imprint.reports.pictures.film`).

Letters: E episodes, T frames, A actions, K facts, G goals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.special import softmax

from imprint.reports.parts import Table
from imprint.reports.pictures import PER_LINE, data_uri, film
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import in_turn
from imprint.reports.sections.base import Section, colours_of
from imprint.reports.words import listing, plural

EPISODES = 24
"""Episodes shown at most, outcomes in turn."""
FACTS = 8
"""Facts shown at most: those about the goals first."""
SHAPES = {"valid": "ET", "action": "ET", "value": "ET", "logits": "ETA", "known": "ETK", "level": "K", "attained": "EG"}
"""Array -> its shape in the letters above."""
NEEDED = ("frames", *SHAPES, "concepts", "actions", "goals")


class Replay(Section):
    """A player with an episode chooser, and a table of what happened."""

    order: ClassVar[int] = 7
    title: ClassVar[str] = "Episodes to replay"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """The player's data, or why there is none."""
        if not run.agents:
            return None
        arrays = run.arrays("replay", NEEDED)
        if run.study and not (run.path / "artefacts/replay.npz").exists():
            drawn = "the levels draw no pictures; make them with render_mode='rgb_array'"
            return {"missing": [f"No episodes: {drawn}."], "data": None}
        why = arrays.missing or misfit(arrays.values)
        if why:
            return {"missing": [f"No episodes: {why}."], "data": None}
        values = arrays.values
        outcomes = [outcome(row, [str(goal) for goal in values["goals"]]) for row in values["attained"]]
        chosen = in_turn(outcomes)[:EPISODES]
        episodes = [episode(run, values, i, outcomes[i]) for i in chosen]
        groups: dict[str, list[tuple[int, str]]] = {kind: [] for kind in dict.fromkeys(outcomes)}
        for n, i in enumerate(chosen):
            groups[outcomes[i]].append((n, f"{n + 1} · {episodes[n]['words']}"))
        shown = f"{len(chosen)} of {plural(len(values['frames']), 'stored episode')}."
        return {
            "data": {
                "episodes": episodes,
                "actions": [str(name) for name in values["actions"]],
                "size": [int(values["frames"].shape[3]), int(values["frames"].shape[2])],
                "across": PER_LINE,
            },
            "groups": groups,
            "tables": [Table("replay-episodes", "What happened in every stored episode", rows(values, outcomes))],
            "caption": f"{arrays.subject} {shown}".strip(),
            "gist": f"{shown.rstrip('.')}, step by step, on levels in which the goals lie apart.",
            "script": "replay.js",
        }


def misfit(values: Mapping[str, np.ndarray]) -> str:
    """Why the arrays do not fit together; empty when they do."""
    frames = values["frames"]
    if frames.dtype != np.uint8 or frames.ndim != 5 or frames.shape[4] != 3 or 0 in frames.shape:
        return f"frames are {frames.dtype} {list(frames.shape)}, not pictures uint8 [E, T, H, W, 3]"
    sizes = {"E": frames.shape[0], "T": frames.shape[1]}
    sizes |= {letter: values[name].size for letter, name in (("A", "actions"), ("K", "concepts"), ("G", "goals"))}
    for name, letters in SHAPES.items():
        expected = [sizes[letter] for letter in letters]
        if list(values[name].shape) != expected:
            return f"{name} has shape {list(values[name].shape)}, expected {expected}"
    return "" if values["valid"][:, 0].all() else "an episode has no first frame"


def outcome(attained: Sequence[int], goals: Sequence[str]) -> str:
    """What happened in an episode, from the first step at which each goal was attained (-1 never)."""
    steps = [int(step) for step in attained if step >= 0]
    if not steps:
        return "neither" if len(goals) == 2 else "none of them"
    return f"{listing(goal for goal, step in zip(goals, attained, strict=True) if step == min(steps))} first"


def episode(run: RunData, values: Mapping[str, np.ndarray], index: int, happened: str) -> dict[str, Any]:
    """One episode as the player takes it; numbers have four digits after the point."""
    steps = int(np.asarray(values["valid"][index], dtype=bool).sum())
    every = values["value"][np.isfinite(values["value"])]
    span = [float(every.min(initial=0.0)), float(every.max(initial=0.0))]
    return {
        "film": data_uri(film(values["frames"][index, :steps])),
        "steps": steps,
        "words": f"{happened}, {plural(steps - 1, 'step')}",
        "events": events(values, index, steps),
        "actions": [int(action) for action in values["action"][index, :steps]],
        "value": {"name": "value", "values": short(values["value"][index, :steps]), "range": span, "colour": "--ink"},
        "probabilities": [short(row) for row in softmax(values["logits"][index, :steps], axis=1)],
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
    colours = colours_of(run)
    about = [(k, colours[goal]) for goal in run.goals for k, name in enumerate(names) if name.startswith(f"{goal}_")]
    others = sorted(set(range(len(names))) - {k for k, _ in about})
    return [*about, *((k, "--c-other1") for k in others)][:FACTS]


def events(values: Mapping[str, np.ndarray], index: int, steps: int) -> list[str]:
    """What is reached in each frame, in words."""
    texts = [""] * steps
    for goal, at in zip(values["goals"], values["attained"][index], strict=True):
        if 0 <= at < steps:
            texts[int(at)] = f"{texts[int(at)]} and “{goal}”" if texts[int(at)] else f"reaches “{goal}”"
    return texts


def short(values: np.ndarray) -> list[float | None]:
    """Numbers with four digits after the point; None where there is none."""
    return [round(float(value), 4) if np.isfinite(value) else None for value in values]


def rows(values: Mapping[str, np.ndarray], outcomes: list[str]) -> pd.DataFrame:
    """What happened in every episode."""
    table = pd.DataFrame({"episode": range(len(outcomes)), "happened": outcomes, "steps": values["valid"].sum(1) - 1})
    for g, goal in enumerate(values["goals"]):
        steps = pd.Series(values["attained"][:, g], dtype="Int64")
        table[f"{goal} reached at"] = steps.mask(steps < 0)
    return table
