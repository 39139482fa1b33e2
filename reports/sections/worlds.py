"""Which worlds the seeds grew up in: who and what was drawn in each, and what its seeds were judged to be."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.parts import Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age
from imprint.reports.sections.base import Section


class Worlds(Section):
    """The table of constants."""

    order: ClassVar[int] = 9
    title: ClassVar[str] = "Worlds"
    short: ClassVar[str] = "Worlds"

    def collect(self, run: RunData) -> dict[str, Any]:
        """How many worlds there are, and a table with a row for each."""
        rows = run.rows("worlds", "constant")
        names = list(rows["concept"].unique())
        found = {"count": run.worlds, "constants": names, "seeds": len(run.seeds)}
        if rows.empty:
            return found
        drawn = rows.pivot(index="world", columns="concept", values="why")[names]
        judged = last_age(run.per_seed("latch", "latch"))
        words = dict(zip(judged["seed"], judged["verdict"], strict=True))
        table = pd.DataFrame([_row(int(world), run.worlds, run.seeds, words) for world in drawn.index])
        table = table.merge(drawn.reset_index(), on="world")[["world", *names, "seeds", "judged"]]
        return found | {"tables": [Table("worlds-drawn", "What was drawn in each world", table, open=True)]}


def _row(world: int, count: int, seeds: list[int], words: dict[Any, str]) -> dict[str, Any]:
    """A world, its seeds, and what they were judged to be."""
    own = [seed for seed in seeds if seed % count == world]
    judged = [words.get(seed) or "not judged" for seed in own]
    return {"world": world, "seeds": ", ".join(map(str, own)), "judged": ", ".join(judged)}
