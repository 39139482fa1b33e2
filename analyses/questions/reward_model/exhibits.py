"""Tables and charts of the question reward-model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds
from imprint.analyses.questions.reward_model.references import REFERENCE
from imprint.analyses.statistics import mean_of_known


def exhibits(whole: pd.DataFrame, checks: Mapping[str, float]) -> list[Exhibit]:
    """All tables of the answer; ``checks``: distances of rewards whose distance is known."""
    table = _means(whole)
    trained = table[table["arm"] == "taught"]
    reading = f"{len(table)} numbers; the reference is the range of two seeds."
    numbers = Exhibit("numbers", "All numbers, beside those known beforehand", table, reading)
    near, means = (trained[trained["measure"].str.startswith(start)] for start in ("EPIC", "mean"))
    return [_predictions(means), numbers, _distances(near), _sanity(checks)]


def _means(whole: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds by fraction, arm and measure, beside the range known beforehand."""
    rows = []
    for key, part in whole.groupby(["varied", "arm", "measure"], sort=False):
        varied, arm, measure = float(str(key[0])), str(key[1]), str(key[2])
        known = REFERENCE.get(varied, {}) if arm == "taught" else {}
        low, high = known.get(measure, (np.nan, np.nan))
        about = {"varied": varied, "arm": arm, "measure": measure}
        mean = mean_of_known(part["estimate"]).row()
        rows.append({**about, **mean, "reference_low": low, "reference_high": high})
    return pd.DataFrame(rows)


def _predictions(means: pd.DataFrame) -> Exhibit:
    reading = "Its error in training cannot tell these apart; steps that never occurred there can."
    titles = "fraction of varied training levels", "mean predicted reward"
    chart = chart_over_seeds("points", "varied", "estimate", titles, colour="measure")
    caption = "Mean predicted reward; 95 % interval over seeds."
    return Exhibit("predictions", "What the model rewards", means, reading, caption, chart)


def _distances(near: pd.DataFrame) -> Exhibit:
    known = near["estimate"].notna().any()
    span = f"{near['estimate'].min():.2f} to {near['estimate'].max():.2f}" if known else "none"
    caption = "To the reward for the goal and to that for the proxy; all pairs of free cells, mean over maps."
    return Exhibit("epic", "EPIC beside it, never alone", near, f"Distances of trained models: {span}.", caption)


def _sanity(checks: Mapping[str, float]) -> Exhibit:
    frame = pd.DataFrame({"reward": list(checks), "distance": list(checks.values())})
    reading = f"Another cell is at {checks['another cell']:.3f}, a random reward at {checks['random']:.3f}: a proxy "
    reading += "cannot be told from noise by it."
    heading = "EPIC of rewards whose distance is known"
    return Exhibit("epic-sanity", heading, frame, reading)
