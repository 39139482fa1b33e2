"""Which worlds the seeds grew up in: who and what was drawn in each, and what its seeds were judged to be."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.parts import Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age
from imprint.reports.sections.base import Section
from imprint.reports.words import plural


class Worlds(Section):
    """The table of constants."""

    order: ClassVar[int] = 3
    title: ClassVar[str] = "Worlds"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """How many worlds there are, and a table with a row for each; not of a study, which knows of one alone."""
        if run.study:
            return None
        rows = run.rows("worlds", "constant")
        names = list(rows["concept"].unique())
        found = {"count": run.worlds, "constants": names, "seeds": len(run.seeds)}
        drawn_in = "one world" if run.worlds == 1 else f"{run.worlds} worlds"
        first_world = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in run.constants().items())
        grew = f"{plural(len(run.seeds), 'training seed')} grew up in {drawn_in}."
        found["gist"] = f"{grew} In world 0: {first_world}." if first_world else grew
        if rows.empty:
            return found
        drawn = rows.pivot(index="world", columns="concept", values="why")[names]
        judged = last_age(run.per_seed("latch", "latch"))
        words = dict(zip(judged["seed"], judged["verdict"], strict=True))
        first = int(run.part("schedule").get("first_seed") or 0)
        own = {int(world): [s for s in run.seeds if (s - first) % run.worlds == world] for world in drawn.index}
        table = pd.DataFrame([_row(world, seeds, words) for world, seeds in own.items()])
        table = table.merge(drawn.reset_index(), on="world")[["world", *names, "seeds", "judged"]]
        return found | {"tables": [Table("worlds-drawn", "What was drawn in each world", table, open=True)]}


def _row(world: int, seeds: list[int], words: dict[Any, str]) -> dict[str, Any]:
    """A world, its seeds, and what they were judged to be."""
    judged = [words.get(seed) or "not judged" for seed in seeds]
    return {"world": world, "seeds": ", ".join(map(str, seeds)), "judged": ", ".join(judged)}
