"""Tables and charts of the question credit."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds

MEASURES = ("blocking ratio", "shuffled ratio", "share of the more salient", "novel less familiar")


def exhibits(means: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed."""
    main = means[(means["cue"] == "all") & means["measure"].isin(MEASURES)]
    ratio = main[main["measure"] == "blocking ratio"].set_index("basis")["value"]
    numbers = Exhibit(
        "numbers",
        "Blocking, overshadowing, novelty",
        main,
        f"Blocked cues keep {', '.join(f'{value:.2f} ({basis})' for basis, value in ratio.items())} of their strength.",
        "Ratios and shares over all ordered pairs of cues; 95 % interval over seeds.",
        chart_over_seeds("points", "measure", "value", ("measure", "ratio, share or strength"), colour="basis"),
    )
    return [numbers, _strengths(means), _attribution(means), exhibit_of_seeds(table[table["cue"] == "all"])]


def _strengths(means: pd.DataFrame) -> Exhibit:
    strengths = means[means["measure"].str.startswith("strength")]
    strengths = strengths.assign(measure=strengths["measure"].str.removeprefix("strength, "))
    titles = "cue and what it was shown with", "strength"
    return Exhibit(
        "strengths",
        "How strong each cue becomes",
        strengths,
        f"Strengths of {strengths['cue'].nunique()} cues and pairs.",
        "Change of the value when the cue is shown alone, after the training named by the colour (the reward is 1); "
        "95 % interval over seeds.",
        chart_over_seeds("points", "cue", "value", titles, colour="measure", panel="basis"),
    )


def _attribution(means: pd.DataFrame) -> Exhibit:
    errors = means[means["measure"] == "attribution error"]
    return Exhibit(
        "attribution",
        "Integrated gradients beside w * (z - z0)",
        errors,
        f"The largest difference anywhere is {errors['value'].max():.2g} (mean over seeds).",
        "Largest absolute difference over latents, rows and ways of training, in units of value.",
    )
