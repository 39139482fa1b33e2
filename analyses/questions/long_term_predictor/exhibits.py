"""Tables and charts of the question long-term-predictor."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from imprint.analyses.predictions import Prediction
from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds, over_seeds
from imprint.analyses.questions.long_term_predictor.measure import CELLS, CUE

OVER = "Mean and 95 % interval over seeds."
EXPECTED = "expected outcome"


def exhibits(
    equal: pd.DataFrame,
    shifted: Mapping[str, pd.DataFrame],
    undone: Mapping[str, pd.DataFrame],
    predictions: Mapping[str, Prediction],
) -> list[Exhibit]:
    """All tables of the answer, from the tables of equality, of the shift and of extinction by piece of work."""
    every = pd.concat([frame.assign(predictor=name) for name, frame in shifted.items()])
    with_cue = every["status"] == every["cell"].ge(CUE).map({True: "on", False: "unseen"})
    on = every[with_cue & (every["cell"] < CELLS - 1)]
    return [
        _equality(equal),
        _held(on[on["lesson"] == on["lesson"].max()], predictions),
        _shift(on[on["predictor"] == "switch"], predictions),
        _undoing(pd.concat([frame.assign(trials=name) for name, frame in undone.items()]), predictions),
    ]


def _equality(equal: pd.DataFrame) -> Exhibit:
    by_code = equal.groupby(["code", "form"])[["difference", "from_exact"]].max().reset_index()
    by_code["which"] = by_code["code"] + ", " + by_code["form"]
    reading = f"The largest difference of any weight is {equal['difference'].max():.1e}."
    caption = f"Largest over seeds and {equal['steps'].iloc[0]} steps; from_exact: root mean square distance, over "
    caption += "visits, of the mean prediction of the last half from the closed-form values."
    return Exhibit("equality", "The predictor beside TD(0)", by_code, reading, caption)


def _held(rows: pd.DataFrame, predictions: Mapping[str, Prediction]) -> Exhibit:
    means, heading = over_seeds(rows, ["predictor", "cell"]), "Prediction along the chain, cue on, after training"
    reading = "; ".join(str(predictions[name]) for name in ("rise", "spread", "spread_sum"))
    caption = f"The cue is in cell {CUE}, the outcome in cell {CELLS - 1}. {OVER}"
    chart = chart_over_seeds("lines", "cell", "value", ("cell", EXPECTED), colour="predictor")
    return Exhibit("held", heading, means, f"{reading}.", caption, chart)


def _shift(rows: pd.DataFrame, predictions: Mapping[str, Prediction]) -> Exhibit:
    means = over_seeds(rows, ["lesson", "cell"])
    means["cell"] = "cell " + means["cell"].astype(str)
    heading, reading = "Where the prediction stands as training goes on", f"{predictions['order']}."
    chart = Chart("lines", "lesson", "value", "update", EXPECTED, colour="cell")
    return Exhibit("shift", heading, means, reading, f"Switch, cue on. {OVER}", chart)


def _undoing(rows: pd.DataFrame, predictions: Mapping[str, Prediction]) -> Exhibit:
    ends = (predictions[name] for name in ("override", "defer", "defer_rest", "trap"))
    reading, means = "; ".join(f"{end.name} {end.measured}" for end in ends), over_seeds(rows, ["trials", "lesson"])
    chart = chart_over_seeds("lines", "lesson", "value", ("updates since", EXPECTED), colour="trials")
    heading = "Prediction at the cue after the outcome has stopped coming"
    return Exhibit("undoing", heading, means, f"{reading}.", OVER, chart)
