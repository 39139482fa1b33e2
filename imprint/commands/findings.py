"""What a run found, as tables in the terminal: the closing table of ``run``, and ``locate`` and ``latch`` of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from imprint.commands.text import cell, console, interval, number, say, table, write_csv
from imprint.models.errors import DamagedFileError, unknown_name
from imprint.reports.reading.run import RunData, load_run
from imprint.reports.reading.tables import last_age


def run_folder(path: Path) -> Path:
    """``path`` if it is a folder; otherwise the error names the runs that are there."""
    if path.is_dir():
        return path
    places = dict.fromkeys((path.parent, Path("runs")))
    there = [str(file.parent) for place in places if place.is_dir() for file in sorted(place.glob("*/setup.yaml"))]
    raise unknown_name("run folder", path, there, advice="`imprint run` makes one.")


def _open(path: Path) -> RunData:
    data = load_run(run_folder(path))
    if why := data.missing.get("findings.parquet"):
        raise DamagedFileError(f"{path}: {why}. Run it again with --resume; what is finished is not done twice.")
    return data


def closing(page: Console, data: RunData, *, verdict: str, sentence: str) -> None:
    """How a run ended: verdict, shares, best sites, self-checks."""
    say(page, f"verdict: {verdict}", "bold")
    say(page, sentence, "bold")
    for why in last_age(data.pooled("latch", "latch"))["why"]:
        say(page, why)
    page.print()
    _shares(page, data)
    _behaviour(page, data)
    _erased_wishes(page, data)
    _best_sites(page, data)
    _self_checks(page, data)
    for failed in data.failed_cells:
        say(page, f"failed: {failed['cell']}: {failed['error']}", "bold red")


def _role(data: RunData, concept: str) -> str:
    return "intended" if concept == data.intended else "proxy" if concept in data.proxies else ""


def _shares(page: Console, data: RunData) -> None:
    rows = last_age(data.pooled("latch", "share"))
    effects = last_age(data.pooled("latch", "effect")).set_index("concept")
    lines = []
    for row in rows.itertuples():
        effect = effects.loc[[row.concept]].iloc[0] if row.concept in effects.index else None
        moved = "-" if effect is None else interval(effect["estimate"], effect["low"], effect["high"])
        share = interval(row.estimate, row.low, row.high)
        lines.append((row.concept, _role(data, str(row.concept)), share, moved, cell(row.seeds), row.verdict))
    if lines:
        columns = ("concept", "role", "share of the value", "effect (sd)", "seeds", "")
        page.print(table("what the value depends on", columns, lines, right=("seeds",)))
        page.print()


def _behaviour(page: Console, data: RunData) -> None:
    """Capability and goal as two numbers, where goals lie apart, beside agents that learned nothing."""
    lines = []
    for metric in ("capability", "goal", "proxy"):
        rows = data.pooled("behaviour", metric)
        for concept in dict.fromkeys(rows["concept"]):
            mine = rows[rows["concept"] == concept]
            parts = [last_age(mine[mine["control"] == who]) for who in ("apart", "untrained", "random reward")]
            shown = ["-" if p.empty else interval(*p.iloc[-1][["estimate", "low", "high"]]) for p in parts]
            what = "capability: any goal" if metric == "capability" else f"{metric}: {concept} first"
            lines.append((what, *shown, "-" if parts[0].empty else cell(parts[0].iloc[-1]["seeds"])))
    if lines:
        columns = ("where goals lie apart", "agents", "untrained", "paid at random", "seeds")
        page.print(table("what the agents do", columns, lines, right=("seeds",)))
        page.print()


def _erased_wishes(page: Console, data: RunData) -> None:
    """How often each goal comes first when its marks are erased, and when random directions are."""
    lines = []
    for goal in (data.intended, *data.proxies):
        rows = last_age(data.pooled("causal", "goal" if goal == data.intended else "proxy"))
        mine = rows[rows["concept"] == goal].set_index("control")[["estimate", "low", "high"]]
        kinds = ("intact", "erased", "random", "random in span")
        shown = [interval(*mine.loc[kind]) if kind in mine.index else "-" for kind in kinds]
        if any(text != "-" for text in shown):
            lines.append((f"{goal} first", _role(data, goal), *shown))
    if lines:
        columns = ("", "role", "intact", "its marks erased", "random", "random in span")
        page.print(table("does the agent act on it (causal line)", columns, lines))
        page.print()


def _best_sites(page: Console, data: RunData) -> None:
    rows = data.pooled("locate", "best_site_selectivity")
    lines = []
    for concept in data.concepts:
        mine = rows[rows["concept"] == concept].sort_values("age")
        if mine.empty:
            continue
        first, last = mine.iloc[0], mine.iloc[-1]
        at_first = interval(first["estimate"], first["low"], first["high"]) if len(mine) > 1 else "-"
        at_last = interval(last["estimate"], last["low"], last["high"])
        lines.append((concept, _role(data, concept), at_first, at_last, last["site"]))
    if lines:
        columns = ("concept", "role", "first age", "last age", "best site at the last age")
        page.print(table("selectivity where it is read best, beside every floor", columns, lines, whole=columns[2:4]))
        page.print()


def _self_checks(page: Console, data: RunData) -> None:
    checks = data.rows("planted", "self_check")
    if checks.empty:
        say(page, "planted controls: none in this run.")
        return
    wrong = checks[checks["estimate"] != 1.0]
    say(
        page,
        f"planted controls: {len(checks) - len(wrong)} of {len(checks)} judged right",
        "" if wrong.empty else "bold red",
    )
    for row in wrong.itertuples():
        say(page, f"  misjudged {row.control}: {row.why}", "bold red")


def _chosen(what: str, wanted: Sequence[str], there: Iterable[str]) -> list[str]:
    names = list(dict.fromkeys(there))
    for name in wanted:
        if name not in names:
            raise unknown_name(what, name, names)
    return [name for name in names if not wanted or name in wanted]


def locate_run(path: Path, *, concepts: Sequence[str], sites: Sequence[str], csv: Path | None) -> None:
    """Print concept x site x age of a run: selectivity over seeds, and the verdict at the last age."""
    data, page = _open(path), console()
    rows = data.pooled("locate", "selectivity")
    if rows.empty:
        say(page, f"{data.name} located nothing: it holds no selectivity over seeds.")
        return
    kept_concepts = _chosen("concept of this run", concepts, [c for c in data.concepts if c in set(rows["concept"])])
    kept_sites = _chosen("site of this run", sites, rows["site"])
    rows = rows[rows["concept"].isin(kept_concepts) & rows["site"].isin(kept_sites)]
    if csv is not None:
        found = data.findings[data.findings["analysis"] == "locate"]
        write_csv(csv, found[found["concept"].isin(kept_concepts) & found["site"].isin([*kept_sites, ""])])
    ages = sorted(rows["age"].dropna().unique())
    for concept in kept_concepts:
        _grid(page, rows[rows["concept"] == concept], concept, _role(data, concept), kept_sites, ages)
    say(
        page,
        "selectivity = score minus the highest floor; * = present: beats every floor, corrected over the whole grid",
    )


def _grid(
    page: Console, rows: pd.DataFrame, concept: str, role: str, sites: Sequence[str], ages: Sequence[Any]
) -> None:
    lines = []
    for site in sites:
        mine = rows[rows["site"] == site].sort_values("age")
        if mine.empty:
            continue
        by_age = {
            row.age: f"{number(row.estimate)}{'*' if row.verdict == 'present' else ' '}" for row in mine.itertuples()
        }
        last = mine.iloc[-1]
        spread = interval(last["estimate"], last["low"], last["high"])
        lines.append((site, *(by_age.get(age, "-") for age in ages), spread, last["verdict"]))
    columns = ("site", *(f"{int(age):,}" for age in ages), "at the last age", "verdict")
    page.print(
        table(f"{concept}{f' ({role})' if role else ''}, by age in experiences", columns, lines, right=columns[1:-2])
    )
    page.print()


def latch_run(path: Path) -> None:
    """Print the verdict, shares and effects of a run."""
    data, page = _open(path), console()
    verdicts = last_age(data.pooled("latch", "latch"))
    if verdicts.empty:
        say(page, f"{data.name} holds no verdict on what the value latched onto.")
    for row in verdicts.itertuples():
        say(page, f"verdict: {row.verdict}", "bold")
        say(page, row.why)
    page.print()
    _shares(page, data)
    _behaviour(page, data)
    _erased_wishes(page, data)
    _erasures(page, data)
    _self_checks(page, data)


def _erasures(page: Console, data: RunData) -> None:
    rows = last_age(data.pooled("latch", "erasure_loss"))
    lines = []
    for (concept, site), pair in rows.groupby(["concept", "site"], sort=False):
        parts = {row.control: interval(row.estimate, row.low, row.high) for row in pair.itertuples()}
        lines.append((concept, site, parts.get("erased", "-"), parts.get("random subspace", "-")))
    if lines:
        columns = ("concept", "site", "share lost when erased", "when a random subspace is erased")
        page.print(table("does the value use it there", columns, lines))
        page.print()
