"""Tables and charts of the question credit."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds

OVER = "95 % interval over seeds."
MEASURES = ("blocking ratio", "left over", "shuffled ratio", "share of the more salient")


def exhibits(means: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed."""
    main = means[(means["cue"] == "all") & means["measure"].isin(MEASURES)]
    wide = main.pivot_table(index="basis", columns="measure", values="value", sort=False)
    pairs = wide[["blocking ratio", "left over"]].itertuples()
    kept = ", ".join(f"{gain:.2f} where {left:.2f} was left over ({basis})" for basis, gain, left in pairs)
    chart = chart_over_seeds("points", "measure", "value", ("measure", "ratio, share or strength"), colour="basis")
    reading, heading = f"Blocked cues gain {kept}.", "Blocking and overshadowing"
    caption = "Ratios and shares over all ordered pairs of cues; 95 % interval over seeds."
    numbers = Exhibit("numbers", heading, main, reading, caption, chart)
    return [numbers, _strengths(means), _attribution(means), exhibit_of_seeds(table[table["cue"] == "all"])]


def _strengths(means: pd.DataFrame) -> Exhibit:
    strengths = means[means["measure"].str.startswith("strength") & (means["cue"] != "all")]
    strengths = strengths.assign(measure=strengths["measure"].str.removeprefix("strength, "))
    reading = f"Strengths of {strengths['cue'].nunique()} cues and pairs."
    caption = "Change of the value when the cue is shown alone, after the training named by the colour (reward 1)."
    titles = "cue and what it was shown with", "strength"
    chart = chart_over_seeds("points", "cue", "value", titles, colour="measure", panel="basis")
    return Exhibit("strengths", "How strong each cue becomes", strengths, reading, f"{caption} {OVER}", chart)


def _attribution(means: pd.DataFrame) -> Exhibit:
    errors, heading = means[means["measure"] == "attribution error"], "Integrated gradients beside w * (z - z0)"
    reading = f"The largest difference anywhere is {errors['value'].max():.2g} (mean over seeds)."
    caption = "Largest absolute difference over latents, rows and ways of training, in units of value."
    return Exhibit("attribution", heading, errors, reading, caption)
