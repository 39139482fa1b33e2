"""Tables and charts of the question probe-in-the-loop."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds
from imprint.analyses.questions.probe_in_the_loop.selection import EVERY, NATURAL

OVER = "95 % interval over seeds, each in a world of its own."
NUMBERS = {
    "flagged": "fires near the nest (old probe)",
    "flagged afresh": "fires near the nest (fresh probe)",
    "old": "area, old probe",
    "fresh": "area, fresh probe",
}
SELECTION = {"punished": "punished by the detector", "nest alone": "not punished", "at random": "plans at random"}


CHOICES = {
    "reached": "ends near the nest",
    "flagged": "detector fires, of those",
    "flagged afresh": "fresh probe fires",
}


def _named(detector: str) -> str:
    """A detector in words: a probe is called by the share of evasive plans that it leaves."""
    return f"probe, {float(detector):.1%} evasive" if detector.replace(".", "").isdigit() else detector


def exhibits(means: pd.DataFrame, table: pd.DataFrame, closed: str) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed, ``closed``: the arm that is judged."""
    return [_loops(means, closed), _evasions(means), _choices(means), _task(means), _seeds(table)]


def _loops(means: pd.DataFrame, closed: str) -> Exhibit:
    loops = means[(means["detector"] == "") & means["measure"].isin(NUMBERS)].drop(columns="detector")
    loops = loops.assign(measure=loops["measure"].map(NUMBERS))
    value = loops.set_index(["arm", "measure"])["value"]
    flag, again, fresh = (NUMBERS[name] for name in ("flagged", "flagged afresh", "fresh"))
    reading = (
        f"The probe fires on {value['before', flag]:.2f} of the walks near the nest before, on "
        f"{value['open', flag]:.2f} after an open and on {value[closed, flag]:.2f} after a closed loop; a fresh probe "
        f"then fires on {value[closed, again]:.2f} of them (area {value[closed, fresh]:.3f})."
    )
    caption = f"Closed: weight of the punishment in the learner's loss. Untrained, raw history: floors. {OVER}"
    chart = chart_over_seeds("points", "arm", "value", ("arm", "rate or area"), colour="measure")
    return Exhibit("loops", "Does the probe still see what the learner believes?", loops, reading, caption, chart)


def _evasions(means: pd.DataFrame) -> Exhibit:
    found = means[means["measure"] == "evasions"].drop(columns="measure")
    found = found.assign(actor=found["arm"].map(SELECTION)).drop(columns="arm")
    drawn = found.assign(detector=found["detector"].map(_named))
    value = found.set_index(["actor", "detector"])["value"]
    shares = [name for name in found["detector"].unique() if name.replace(".", "").isdigit()]
    listed = "; ".join(
        f"{float(share):.1%} {value[SELECTION['punished'], share]:.0f} ({value[SELECTION['nest alone'], share]:.0f}, "
        f"{value[SELECTION['at random'], share]:.0f})"
        for share in shares
    )
    reading = f"Evasions by share of evasive plans beforehand, punished (not punished, at random): {listed}."
    caption = (
        "An evasion: the chosen plan ends near the nest and the detector is silent. Evasive: share of such plans "
        f"among those near the nest beforehand, set by the probe's threshold; {NATURAL}: its own threshold. {OVER}"
    )
    titles = "detector", f"evasions per {EVERY} episodes"
    chart = chart_over_seeds("points", "detector", "value", titles, colour="actor")
    return Exhibit("evasions", "How many evasions does selection find?", drawn, reading, caption, chart)


def _choices(means: pd.DataFrame) -> Exhibit:
    chosen = means[(means["detector"] != "") & means["measure"].isin(CHOICES)]
    chosen = chosen.assign(actor=chosen["arm"].map(SELECTION)).drop(columns="arm")
    value = chosen.set_index(["actor", "detector", "measure"])["value"]
    flags = {arm: value[SELECTION[arm], NATURAL, "flagged"] for arm in SELECTION}
    after = value[SELECTION["punished"], NATURAL, "flagged afresh"]
    reading = (
        f"In the end the probe, at its own threshold, fires on {flags['punished']:.2f} of the choices near the nest of "
        f"an actor that it punishes, on {flags['nest alone']:.2f} of one that it does not; a probe that is fitted to "
        f"those choices fires on {after:.2f}."
    )
    caption = f"Actors after their last episode, in new episodes. {OVER}"
    drawn = chosen[chosen["actor"] != SELECTION["at random"]]
    drawn = drawn.assign(measure=drawn["measure"].map(CHOICES), detector=drawn["detector"].map(_named))
    titles = "detector", "part of the choices"
    chart = chart_over_seeds("points", "detector", "value", titles, colour="measure", panel="actor")
    return Exhibit("choices", "What is chosen in the end?", drawn, reading, caption, chart)


def _task(means: pd.DataFrame) -> Exhibit:
    task = means[(means["detector"] == "") & means["measure"].isin(["right", "value"])].drop(columns="detector")
    worst = task[task["measure"] == "right"]["value"].min()
    pain = task.set_index(["arm", "measure"])["value"]["open", "value"]
    reading = f"Next colours are predicted in {worst:.3f} or more; in the open loop the nest is worth {pain:.2f}."
    caption = f"Right: part of the next colours predicted; value: learned value near the nest less elsewhere. {OVER}"
    return Exhibit("task", "Is the task still learned, and who felt the punishment?", task, reading, caption)


def _seeds(table: pd.DataFrame) -> Exhibit:
    """The numbers of every seed that the rule reads; all others are in the findings."""
    read = table[(table["detector"] == "") & table["measure"].isin(["flagged", "old", "fresh", "right"])]
    loops = read.pivot_table(index=["arm", "seed"], columns="measure", values="value", sort=False).reset_index()
    found = table[(table["measure"] == "evasions") & table["arm"].isin(["punished", "nest alone"])]
    found = found.assign(arm=found["arm"] + ", detector: " + found["detector"], evasions=found["value"])
    whole = pd.concat([loops, found[["arm", "seed", "share", "evasions"]]], ignore_index=True)
    return exhibit_of_seeds(whole, f"Share: of evasive plans beforehand; evasions per {EVERY} episodes.")
