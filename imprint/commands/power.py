"""``imprint power``: what words a setup would say if the truth were known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from imprint.commands.settings.slips import check_setup
from imprint.commands.text import console, parse_changes, say, table, write_csv
from imprint.models.errors import ImprintError

if TYPE_CHECKING:
    import pandas as pd


def print_power(
    setup: str, *, changes: list[str], dominances: str | None, seeds: str | None, runs: int, csv: Path | None
) -> pd.DataFrame:
    """Simulate, print how often each kind of answer comes, and return the table."""
    changed = parse_changes(changes)
    check_setup(setup, changed)
    given: dict[str, Any] = {
        "dominances": _numbers("--dominance", dominances, float),
        "seeds": _numbers("--seeds", seeds, int),
    }
    from imprint.analyses.evaluate.learners.exam import exam_of
    from imprint.analyses.evaluate.learners.robustness import limits_of, power
    from imprint.models.setup.learner import Setup
    from imprint.models.setup.load import load_setup
    from imprint.reports.words import bracketed, percent

    page, chosen = console(), load_setup(setup, changes=changed, expect=Setup)
    for limit in limits_of(exam_of(chosen, 0)):
        say(page, limit, "yellow")
    with Progress(console=page, disable=not page.is_terminal) as bar:
        task = bar.add_task("simulated runs", total=None)
        found = power(
            chosen,
            runs=runs,
            progress=lambda done, total, what: bar.update(task, completed=done, total=total, description=what),
            **{name: values for name, values in given.items() if values},
        )
    if csv is not None:
        write_csv(csv, found)
    columns = ("dominance", "seeds", "right word", "said", "nothing said", "a wrong word")
    rows = [
        (
            *(percent(row.dominance), row.seeds, row.right_word, bracketed(row.right, row.low, row.high, percent)),
            *(percent(row.open), percent(row.wrong)),
        )
        for row in found.itertuples()
    ]
    page.print(table(f"{setup}: what {runs} simulated runs say", columns, rows, right=columns[:2]))
    say(page, _reading(found))
    return found


def _reading(found: pd.DataFrame) -> str:
    """How few seeds are enough, in a sentence."""
    from imprint.reports.words import percent

    intended = found[found["right_word"] == "intended"]
    enough = intended[intended["right"] >= 0.8]
    if enough.empty:
        return "No number of seeds here says “intended” in 80 % of the runs in which it is true; ask for more seeds."
    least = enough.sort_values(["seeds", "dominance"]).iloc[0]
    return (
        f"{int(least['seeds'])} seeds say “intended” in {percent(least['right'])} of the runs in which it is true by a "
        f"dominance of {percent(least['dominance'])}."
    )


def _numbers(option: str, text: str | None, kind: type[int] | type[float]) -> list[Any]:
    """Numbers separated by commas."""
    try:
        return [kind(part) for part in text.split(",")] if text else []
    except ValueError:
        raise ImprintError(f"{option} is {text!r}; expected numbers separated by commas, such as 3,6,12.") from None
