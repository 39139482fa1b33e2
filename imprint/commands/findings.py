"""What a run found, as tables in the terminal: the closing tables of ``run``, and ``locate`` and ``latch`` of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from imprint.commands.text import chosen, console, error_console, say, table, write_csv
from imprint.models.errors import DamagedFileError, ImprintError
from imprint.reports.answers.odds import whole
from imprint.reports.answers.runs import answer_of, planted
from imprint.reports.reading.agents import ERASED, INTACT, metric_of, tried
from imprint.reports.reading.folders import QUESTION, SWEEP
from imprint.reports.reading.run import RunData, load_run
from imprint.reports.reading.tables import last_age, records, row_of
from imprint.reports.words import NOT_MEASURED, bracketed, cell, number, percent


def closing(page: Console, data: RunData) -> None:
    """How a run ended: verdict, the numbers behind it, best sites, self-checks, failures."""
    _answer(page, data)
    _best_sites(page, data)
    _self_checks(page, data)
    for name, error in data.failures:
        say(page, f"failed: {name}: {error}", "bold red")


def latch_run(path: Path) -> dict[str, Any]:
    """Print the verdict of a run and the numbers behind it, and return them."""
    data, page = _open(path), console()
    _answer(page, data)
    _erasures(page, data)
    _self_checks(page, data)
    return answer_data(data)


def answer_data(data: RunData) -> dict[str, Any]:
    """Verdict, sentence and reason of a run, and every finding over seeds behind them."""
    answer, rows = answer_of(data), data.findings
    behind = rows[rows["analysis"].isin(("latch", "behaviour", "causal", "planted")) & rows["seed"].isna()]
    words = {"verdict": answer.verdict, "sentence": answer.sentence, "reason": answer.reason}
    return {**words, "findings": behind.dropna(axis="columns", how="all")}


def _open(path: Path) -> RunData:
    for other, what in ((QUESTION, "the answer to a question"), (SWEEP, "a sweep")):
        if (path / other).is_file():
            raise ImprintError(f"{path} is {what}; expected a run or a study. Its page: imprint report {path}.")
    data = load_run(path)
    if why := data.missing.get("findings.parquet"):
        raise DamagedFileError(f"{path}: {why}. The command that made it, given again, goes on from what is finished.")
    for why in data.missing.values():
        say(error_console(), f"{path}: {why}.", "yellow")
    return data


def _answer(page: Console, data: RunData) -> None:
    """The verdict as the page gives it, and tables of what it rests on."""
    answer = answer_of(data)
    say(page, f"verdict: {answer.verdict}{f' ({answer.odds})' if answer.odds else ''}", "bold")
    for text in answer.summary or [answer.sentence]:
        say(page, text, "bold")
    reason = "" if answer.summary or not answer.reason else f"{answer.reason}."
    for text in filter(None, (reason, answer.history, answer.agreement)):
        say(page, text)
    page.print()
    if data.agents:
        _behaviour(page, data)
        _causal_line(page, data)
        _wanting(page, data)
    else:
        _shares(page, data)


def _spread(row: Any, *, share: bool = True) -> str:
    """Estimate and interval of a row; ``not measured`` without a row."""
    if row is None:
        return NOT_MEASURED
    return bracketed(row["estimate"], row["low"], row["high"], percent if share else number)


def _print(page: Console, title: str, columns: Sequence[str], rows: list[Any], *, right: Sequence[str] = ()) -> None:
    """A table and an empty line; nothing when there are no rows."""
    if rows:
        page.print(table(title, columns, rows, right=right))
        page.print()


def _shares(page: Console, data: RunData) -> None:
    effects, parts = (last_age(data.pooled("latch", metric)) for metric in ("effect", "dominance"))
    lines = []
    for _, row in last_age(data.pooled("latch", "share")).iterrows():
        moved, part = (row_of(rows[rows["concept"] == row["concept"]]) for rows in (effects, parts))
        effect = "" if row["concept"].startswith("(") else _spread(moved, share=False)
        held = "" if row["concept"] == "(residual)" else _spread(part)
        role = data.goals.get(row["concept"], "")
        lines.append((row["concept"], role, held, _spread(row), effect, cell(row["seeds"])))
    columns = ("concept", "role", f"of {whole(data)}", "of the value's variance", "effect (sd)", "seeds")
    _print(page, "what the value depends on", columns, lines, right=("seeds",))


def _behaviour(page: Console, data: RunData) -> None:
    """Capability and goal as two numbers where the goals are apart, beside agents that learned nothing."""
    rates = [("capability", "", "capability: any goal")]
    rates += [(metric_of(data, goal), goal, f"{metric_of(data, goal)}: {goal} first") for goal in data.goals]
    agents, lines = ("trained", "untrained", "random reward"), []
    for metric, goal, text in rates:
        rows = tried(data, metric)
        rows = rows[(rows["design"] == "apart") & (rows["concept"].isin([goal]) | (goal == ""))]
        own = [row_of(last_age(rows[rows["agent"] == agent])) for agent in agents]
        if own[0] is not None:
            lines.append((text, *map(_spread, own), cell(own[0]["seeds"])))
    columns = ("where the goals are in different places", *(f"{agent} agents" for agent in agents), "seeds")
    _print(page, "what the agents do", columns, lines, right=("seeds",))


def _causal_line(page: Console, data: RunData) -> None:
    """How often each goal is reached first when it is erased, and when random directions are."""
    kinds, lines = (INTACT, ERASED, "random", "random in span"), []
    for goal, role in data.goals.items():
        rows = last_age(data.pooled("causal", metric_of(data, goal)))
        rows = rows[rows["concept"] == goal]
        if len(rows):
            own = [row_of(rows[rows["control"] == kind]) for kind in kinds]
            lines.append((f"{goal} first", role, *map(_spread, own)))
    columns = ("", "role", "intact", "goal erased", "random directions", "random, in the span of activations")
    _print(page, "do the agents act on it (goal erased from their activations)", columns, lines)


def _wanting(page: Console, data: RunData) -> None:
    """Wanting, dominance and interchange of every goal."""
    lines = []
    for goal, role in data.goals.items():
        numbers = [last_age(data.pooled("latch", metric)) for metric in ("wanting", "dominance")]
        moved = last_age(data.pooled("causal", "interchange", control="place"))
        found = [row_of(rows[rows["concept"] == goal]) for rows in (*numbers, moved)]
        if found[0] is not None:
            spreads = (_spread(row, share=share) for row, share in zip(found, (False, True, True), strict=True))
            lines.append((goal, role, *spreads))
    columns = ("", "role", "wanting", "part of what is reached", "goes to a place that is put in")
    _print(page, "what the agents want", columns, lines)


def _best_sites(page: Console, data: RunData) -> None:
    rows = data.pooled("locate", "best_site_selectivity")
    lines = []
    for concept in data.concepts:
        own = rows[rows["concept"] == concept].sort_values("age")
        if len(own):
            first, last = own.iloc[0], own.iloc[-1]
            ends = [_spread(row, share=False) for row in (first, last)]
            lines.append((concept, data.roles.get(concept, ""), *ends, last["site"]))
    if data.agents and not (data.pooled("locate", "selectivity")["verdict"] == "present").any():
        return
    columns = ("concept", "role", "first age", "last age", "best site at the last age")
    _print(page, "selectivity (score minus the highest floor) where it is read best", columns, lines)


def _self_checks(page: Console, data: RunData) -> None:
    checks = data.rows("planted", "self_check")
    wrong = checks[checks["estimate"] != 1.0]
    style = "" if wrong.empty else "bold red"
    say(page, f"subjects with a known answer judged correctly: {planted(data)}", style)
    for row in records(wrong):
        say(page, f"  misjudged {row.control}: {row.why}", "bold red")


def _erasures(page: Console, data: RunData) -> None:
    rows = last_age(data.pooled("latch", "erasure_loss"))
    lines = []
    for (concept, site), pair in rows.groupby(["concept", "site"], sort=False):
        own = [row_of(pair[pair["control"] == control]) for control in ("erased", "random subspace")]
        lines.append((concept, site, *map(_spread, own)))
    columns = ("concept", "site", "share lost when erased", "when a random subspace is erased")
    _print(page, "where the value takes it from", columns, lines)


def locate_run(path: Path, *, concepts: Sequence[str], sites: Sequence[str], csv: Path | None) -> pd.DataFrame:
    """Print concept x site x age of a run: selectivity over seeds, and the verdict at the last age; its rows."""
    data, page = _open(path), console()
    rows = data.pooled("locate", "selectivity")
    if rows.empty:
        say(page, f"{data.name} holds no selectivity over seeds: no concept was located.")
        return rows
    shown_concepts = chosen("concept of this run", concepts, [c for c in data.concepts if c in set(rows["concept"])])
    shown_sites = chosen("site of this run", sites, rows["site"])
    rows = rows[rows["concept"].isin(shown_concepts) & rows["site"].isin(shown_sites)]
    if csv is not None:
        every = data.findings[data.findings["analysis"] == "locate"]
        write_csv(csv, every[every["concept"].isin(shown_concepts) & every["site"].isin([*shown_sites, ""])])
    ages = sorted(rows["age"].dropna().unique())
    for concept in shown_concepts:
        role = data.roles.get(concept)
        page.print(_grid(f"{concept}{f' ({role})' if role else ''}", rows[rows["concept"] == concept], ages))
        page.print()
    say(
        page,
        "selectivity = score minus the highest floor;  * = present: beats every floor, corrected over the whole grid;  "
        "- = not measured",
    )
    return rows


def _grid(heading: str, rows: pd.DataFrame, ages: Sequence[Any]) -> Any:
    """Selectivity of one concept, a line per site and a column per age."""
    lines = []
    for site in dict.fromkeys(rows["site"]):
        own = rows[rows["site"] == site].sort_values("age").set_index("age")
        marks = own["verdict"].map({"present": "*"}).fillna(" ")
        shown = {age: f"{number(own['estimate'][age])}{marks[age]}" for age in own[own["estimate"].notna()].index}
        last = own.iloc[-1]
        lines.append((site, *(shown.get(age, "- ") for age in ages), _spread(last, share=False), last["verdict"]))
    columns = ("site", *(f"{int(age):,}" for age in ages), "at the last age", "verdict")
    return table(f"{heading}, by age in experiences", columns, lines, right=columns[1:-2])
