"""Finished runs of shipped setups whose numbers are made up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imprint.analyses.evaluate.run import Run
from imprint.analyses.findings import findings
from imprint.models.files import write_json
from imprint.models.setup.load import load_setup

AGES = (0, 6400, 51200)


def run_of(
    folder: Path, name: str, dominance: Sequence[float], *, words: Sequence[dict[str, float]] = (), **changes: Any
) -> Run:
    """A run of learners with the dominance of every seed at the end; ``words``: their probabilities at every age."""
    path = folder / name
    mean = sum(dominance) / len(dominance)
    rows: list[dict[str, Any]] = []

    def add(metric: str, **more: Any) -> None:
        rows.append({"analysis": "latch", "concept": "caregiver", "metric": metric, **more})

    for seed, value in enumerate(dominance):
        add("dominance", seed=seed, age=AGES[-1], estimate=value)
    for age, value in zip(AGES, (0.1, mean + 0.2, mean), strict=True):
        add("dominance", age=age, estimate=value, low=value - 0.1, high=value + 0.1, seeds=len(dominance))
    given = words or ({"none": 1.0}, {"intended": 0.6, "mixed": 0.4}, {"intended": 0.97, "mixed": 0.03})
    for age, said in zip(AGES, given, strict=True):
        for word, chance in said.items():
            add("probability", age=age, control=word, estimate=chance)
    verdict = max(given[-1], key=lambda word: given[-1][word])
    add("latch", age=AGES[-1], estimate=mean, seeds=len(dominance), verdict=verdict)
    about = {"analysis": "locate", "concept": "caregiver", "metric": "emergence_age"}
    rows.append({**about, "estimate": 1600.0, "seeds": len(dominance)})
    cells = {f"seed {seed}": 30.0 for seed in range(len(dominance))}
    write_json(path / "run.json", {"seeds": len(dominance), "cell_seconds": {**cells, "controls": 60.0}, "failed": []})
    return Run.of(path, setup=load_setup(name, changes=changes), findings=findings(rows))
