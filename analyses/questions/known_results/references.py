"""Figures that are known, and how near ours must come.

One row per figure, written down before any of ours was measured. The figures were measured independently of this
project's instruments, with scikit-learn and plain torch scripts; where a method comes from a paper, ``source`` names
it. A tolerance is three reported standard deviations where the spread was reported and known to be that of our
condition, otherwise a judgement. ``at most`` and ``at least`` are bounds: a rate of false claims may be lower than the
figure, but never higher than figure + tolerance.

A row without a figure (``nan``) is measured and shown, and not judged.

Letters: V types, k rank of a subspace, t share of removed pixels, rho agreement of a proxy with the label.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from imprint.analyses.statistics import NAN, Estimate

Side = Literal["both", "at most", "at least"]


@dataclass(frozen=True)
class Known:
    """One figure."""

    result: str
    """What is known."""
    condition: str
    measure: str
    reference: float
    tolerance: float
    source: str
    at: float = NAN
    """Position on the curve, if the figure lies on one."""
    side: Side = "both"

    @property
    def row(self) -> str:
        """Name of the figure's row."""
        return name(self.result, self.condition, self.measure, self.at)

    def inside(self, ours: float) -> bool | None:
        """Whether ours is as near as it must be; None when the figure is not judged."""
        if np.isnan(self.reference):
            return None
        off = self.deviation(ours)
        return bool({"both": abs(off), "at most": off, "at least": -off}[self.side] <= 1 + 1e-9)

    def deviation(self, ours: float) -> float:
        """Ours minus the figure, in tolerances."""
        return (ours - self.reference) / self.tolerance


def name(result: str, condition: str, measure: str, at: float = NAN) -> str:
    """Name of a figure's row."""
    return f"{result} | {condition} | {measure}" + ("" if np.isnan(at) else f" | {at:g}")


def measured(row: str, values: ArrayLike | float, *, n: int, seconds: float = NAN) -> dict[str, Any]:
    """A row of a piece's table: mean of ``values`` over repeats, and their standard deviation."""
    each = np.atleast_1d(np.asarray(values, dtype=np.float64))
    mean = {"ours": float(each.mean()), "spread": float(each.std(ddof=1)) if len(each) > 1 else NAN}
    return {"row": row, **mean, "low": NAN, "high": NAN, "n": n, "repeats": len(each), "cpu_seconds": seconds}


class Figures:
    """The figures that a piece of work measures: values over repeats by row, and the processor time they took."""

    def __init__(self, n: int) -> None:
        """``n``: rows of data behind a figure, unless another number is given with it."""
        self._n, self._began = n, time.process_time()
        self._values: dict[str, list[float]] = {}
        self._more: dict[str, dict[str, Any]] = {}

    def add(self, result: str, condition: str, measure: str, value: Any, *, at: float = NAN, **more: int) -> None:
        """One more value of a figure, with its interval if it is an estimate; ``more``: other columns of its row."""
        row, columns = name(result, condition, measure, at), self._more
        if isinstance(value, Estimate):
            columns.setdefault(row, {}).update(low=value.low, high=value.high)
            value = value.value
        columns.setdefault(row, {}).update(more)
        self._values.setdefault(row, []).append(float(value))

    def table(self, *, known_only: bool = False) -> pd.DataFrame:
        """One row per figure; ``known_only``: without those that are no known figure."""
        seconds = time.process_time() - self._began
        return pd.DataFrame(
            [
                {**measured(row, values, n=self._n, seconds=seconds), **self._more[row]}
                for row, values in self._values.items()
                if row in KNOWN or not known_only
            ]
        )


def _curve(
    result: str, condition: str, measure: str, figures: Mapping[Any, float], *, within: Any, source: str, **more: Any
) -> list[Known]:
    """Figures by position; ``within``: their tolerance, or one for each."""
    tolerances = within if isinstance(within, tuple) else (within,) * len(figures)
    return [
        Known(result, condition, measure, float(figure), tolerance, source, float(at), **more)
        for (at, figure), tolerance in zip(figures.items(), tolerances, strict=True)
    ]


def _single(result: str, source: str, *rows: tuple[Any, ...]) -> list[Known]:
    """Figures from rows of (condition, measure, reference, tolerance) with a side, if it is a bound."""
    figures = []
    for condition, measure, reference, tolerance, *side in rows:
        bound: Side = side[0] if side else "both"
        figures.append(Known(result, condition, measure, reference, tolerance, source, side=bound))
    return figures


DELTAS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
SIGNAL = "closed form: Bayes accuracy is Phi(delta / 2)"
HEWITT = "Hewitt & Liang 2019, arXiv 1909.03368"
VOITA = "Voita & Titov 2020, arXiv 2003.12298"
LEACE = "Belrose et al. 2023, arXiv 2306.03819; INLP: Ravfogel et al. 2020, arXiv 2004.07667"
TCAV = "Kim et al. 2018, arXiv 1711.11279"
DAS = "Geiger et al. 2024, arXiv 2303.02536"
DCI = "Eastwood & Williams 2018"
ADEBAYO = "Adebayo et al. 2018, arXiv 1810.03292"
ROAR = "Hooker et al. 2019, arXiv 1806.10758"
OTHELLO = "Li et al. 2023, arXiv 2210.13382"
AMNESIC = "Elazar et al. 2021, arXiv 2006.00995"

_PLANTED = {
    "logistic": (0.503, 0.520, 0.568, 0.666, 0.823, 0.973),
    "mean_difference": (0.503, 0.522, 0.572, 0.671, 0.831, 0.977),
    "linear_discriminant": (0.503, 0.520, 0.569, 0.666, 0.824, 0.973),
    "best single unit": (0.501, 0.507, 0.526, 0.556, 0.616, 0.736),
}
_COSINE = {"logistic": (0.86, 0.94, 0.960), "mean_difference": (0.90, 0.97, 0.992)}
PLANTED = "planted direction"
LEAK = "group leak"
CONTROL = "control task"
CODE = "online code"
ERASED = "linear erasure"
INLP = "iterative projection"
ERASED_MODEL = "erasure in a model"
CONCEPT = "concept activation null"
ALIGNED = "hierarchical equality"
UNUSED = "present but unused"
COPIES = "redundant copies"
STATE = "grid state of a sequence model"
XOR = "exclusive or"
CODES = "disentanglement"
NULLS = "permutation p-values"
MAPS = "multiplicity"
NOISE = "randomised weights"
MASK = "remove and retrain"
PROXY = "digits with a proxy"

RANKS = (1, 2, 8, 16, 32)
LINEAR = ("ridge", "linear_discriminant", "mean_difference", "logistic", "scikit-learn logistic")


def _probing() -> list[Known]:
    rows: list[Known] = []
    for readout, figures in _PLANTED.items():
        by_delta = dict(zip(DELTAS, figures, strict=True))
        rows += _curve(PLANTED, readout, "accuracy", by_delta, within=0.015, source=SIGNAL)
    for readout, cosines in _COSINE.items():
        by_delta = dict(zip(DELTAS[3:], cosines, strict=True))
        rows += _curve(PLANTED, readout, "cosine", by_delta, within=0.05, source=SIGNAL)
    source = "40 groups of 25 rows, one label each, no concept"
    together, apart = "groups kept together", "rows split at random"
    rows += _curve(LEAK, apart, "accuracy", {0.5: 0.676, 1: 0.810, 2: 0.953}, within=0.05, source=source)
    rows += _curve(LEAK, together, "accuracy", {0.5: 0.458, 1: 0.441, 2: 0.495}, within=0.06, source=source)
    never: dict[float, float] = {0.5: 0.0, 1: 0.0, 2: 0.0}
    for split in (apart, together):
        rows += _curve(LEAK, split, "called present", never, within=0.05, source=source, side="at most")
    types = (50, 200, 1000)
    for probe, task, control in (
        ("linear", (0.978, 0.873, 0.850), (0.940, 0.715, 0.554)),
        ("mlp 256", (1.0, 0.996, 0.930), (1.0, 1.0, 0.895)),
    ):
        for v, a, b in zip(types, task, control, strict=True):
            for measure, figure in (("task", a), ("control", b), ("selectivity", a - b)):
                at = {v: round(figure, 3)}
                rows += _curve(CONTROL, f"{probe}, shared types", measure, at, within=0.05, source=HEWITT)
    held = {"task": dict(zip(types, (0.67, 0.74, 0.84), strict=True)), "control": dict.fromkeys(types, 0.48)}
    for measure, by_types in held.items():
        rows += _curve(CONTROL, "linear, held-out types", measure, by_types, within=0.05, source=HEWITT)
    codes, tolerances = {0: 0.984, 1: 1.157, 2: 1.778, 4: 5.58}, (0.01, 0.03, 0.13, 0.36)
    rows += _curve(CODE, "8,000 balanced labels", "compression", codes, within=tolerances, source=VOITA)
    rows += _single(
        XOR,
        "closed form: no linear function computes it",
        ("linear probe", "accuracy", 0.506, 0.03),
        ("mlp 64", "accuracy", 0.998, 0.01),
    )
    rows += _single(
        NULLS,
        "Phipson & Smyth 2010: uniform when honest",
        ("no concept", "rate of p <= .05", 0.055, 0.035),
        ("no concept", "Kolmogorov-Smirnov p", 0.05, 1e-9, "at least"),
    )
    return rows + _single(
        MAPS,
        "Holm 1979; Benjamini & Hochberg 1995",
        ("12 sites x 20 absent concepts, uncorrected", "false claims per map", 11.5, 3.0),
        ("12 sites x 20 absent concepts, uncorrected", "maps with a false claim", 1.0, 0.05),
        ("12 sites x 20 absent concepts, Holm", "maps with a false claim", 0.03, 0.07, "at most"),
        ("12 sites x 20 absent concepts, Benjamini-Hochberg", "maps with a false claim", 0.03, 0.07, "at most"),
    )


def _causal() -> list[Known]:
    above = "accuracy above majority"
    rows = _single(
        ERASED,
        LEACE,
        ("before", "accuracy", 0.994, 0.01),
        ("after, training rows", above, 0.0, 0.02, "at most"),
        ("after, new rows", above, 0.0, 0.02, "at most"),
        ("after, new rows, mlp", above, 0.0, 0.02, "at most"),
        ("relative change", "L2", 0.10, 0.05),
    )
    series = (0.994, 0.929, 0.860, 0.811, 0.772, 0.729, 0.730, 0.705, 0.682, 0.656, 0.625, 0.588)
    rows += _curve(INLP, "directions removed", "accuracy", dict(enumerate(series)), within=0.05, source=LEACE)
    rows += _single(INLP, LEACE, ("relative change", "L2", 0.17, 0.05))
    for model in ("digits perceptron", "grid transformer"):
        rows += _single(ERASED_MODEL, LEACE, *((f"{model}, {p}", above, 0.0, 0.02, "at most") for p in LINEAR))
        shown = ("mlp", *(f"{probe}, not erased" for probe in (*LINEAR, "mlp")))
        rows += _single(ERASED_MODEL, LEACE, *((f"{model}, {probe}", above, NAN, NAN) for probe in shown))
    score = "interchange accuracy"
    for layer, figures, tolerances, rotation in (
        (1, (0.837, 0.879, 0.974, 0.973, 0.981), (0.10, 0.10, 0.03, 0.03, 0.03), (0.605, 0.08)),
        (2, (0.512, 0.723, 0.743, 0.745, 0.745), (0.15,) * 5, (0.565, 0.08)),
        (3, (0.510, 0.510, 0.504, 0.509, 0.504), (0.05,) * 5, (0.485, 0.06)),
    ):
        by_rank = dict(zip(RANKS, figures, strict=True))
        rows += _curve(ALIGNED, f"hidden layer {layer}", score, by_rank, within=tolerances, source=DAS)
        rows += _single(ALIGNED, DAS, (f"hidden layer {layer}, untrained rotation", score, *rotation))
    rows += _single(
        ALIGNED,
        DAS,
        ("task", "accuracy", 0.9998, 0.005),
        ("hidden layer 2, wrong variable", score, 0.510, 0.05),
        ("hidden layer 1, untrained network", score, 0.50, 0.05),
    )
    rows += _single(
        UNUSED,
        AMNESIC,
        ("task", "accuracy", 0.95, 0.05),
        ("unused concept", "decoded", 0.99, 0.04, "at least"),
        ("unused concept erased", "accuracy lost", 0.0, 0.02, "at most"),
        ("unused concept erased", "squared change above random", 0.0, 0.02, "at most"),
        ("used concept erased", "accuracy", 0.48, 0.06),
    )
    rows += _single(
        COPIES,
        "two copies of which either suffices, by construction",
        ("first ablated", "accuracy", 1.0, 0.01),
        ("second ablated", "accuracy", 1.0, 0.01),
        ("both ablated", "accuracy", 0.499, 0.03),
    )
    return rows + _single(
        STATE,
        OTHELLO,
        ("long enough", "next colour, accuracy", 0.935, 0.05),
        ("long enough", "cell, last layer", 0.64, 0.10),
        ("long enough", "cell, above untrained", 0.44, 0.15),
        ("long enough", "cell, above input history", 0.15, 0.10, "at least"),
        ("long enough", "called present", 1.0, 0.01),
        ("too short", "cell, above untrained", NAN, NAN),
        ("too short", "cell, above input history", 0.0, 0.02, "at most"),
        ("too short", "called given by input", 1.0, 0.01),
        ("input history", "cell", 0.49, 0.10),
    )


def _attribution() -> list[Known]:
    rows = _single(
        CONCEPT,
        TCAV,
        ("random concepts, against random concepts", "called used", 0.05, 0.02, "at most"),
        ("random concepts, t-test of runs", "called used", 0.455, 0.10),
        ("the class itself", "score", 1.0, 0.05),
    )
    for code, d, c, within in (
        ("permuted and scaled, lasso", 1.0, 1.0, 0.02),
        ("tanh, lasso", 1.0, 1.0, 0.02),
        ("rotated, lasso", 0.27, 0.28, 0.10),
        ("rotated, forest", 0.59, 0.59, 0.10),
        ("three copies, lasso", 1.0, 1.0, 0.05),
        ("three copies, forest", NAN, 0.60, 0.10),
    ):
        disentanglement = (code, "disentanglement", d, NAN if np.isnan(d) else within)
        rows += _single(CODES, DCI, disentanglement, (code, "completeness", c, within))
    rows += _single(CODES, DCI, ("unrelated, lasso", "refused", 1.0, 0.01))
    for method, size in (("gradient_times_input", 0.909), ("integrated_gradients", 0.907)):
        signed = (method, "signed rank correlation", 0.0, 0.15)
        rows += _single(NOISE, ADEBAYO, signed, (method, "absolute rank correlation", size, 0.05))
    shares = (0.1, 0.3, 0.5, 0.7, 0.9)
    for ranking, left in (
        ("attribution", (0.956, 0.938, 0.900, 0.905, 0.905)),
        ("random", (0.951, 0.911, 0.842, 0.714, 0.402)),
        ("variance", (0.950, 0.884, 0.738, 0.233, 0.101)),
    ):
        rows += _curve(MASK, ranking, "accuracy", dict(zip(shares, left, strict=True)), within=0.05, source=ROAR)
    rows += _single(MASK, ROAR, ("nothing removed", "accuracy", 0.968, 0.02))
    rows += _curve(MASK, "attribution", "mask called leaking", {0.9: 1.0}, within=0.01, source=ROAR)
    agreement = (0.5, 0.9, 0.99, 1.0)
    spreads = (0.03, 0.04, 0.13, 0.03)
    source = "scikit-learn digits; corner pixels agree with the label in a share rho of the training rows"
    for measure, figures, tolerances in (
        ("accuracy in agreement", (0.978, 0.991, 0.999, 1.0), 0.03),
        ("accuracy in conflict", (0.978, 0.898, 0.316, 0.005), spreads),
        ("flips with the proxy", (0.012, 0.093, 0.684, 0.995), spreads),
        ("integrated gradients on the proxy", (0.017, 0.061, 0.149, 0.272), 0.05),
        ("linear probe of the concept", (0.978, 0.956, 0.876, 0.820), 0.05),
    ):
        by_rho = dict(zip(agreement, figures, strict=True))
        rows += _curve(PROXY, "perceptron", measure, by_rho, within=tolerances, source=source)
    return rows


KNOWN: dict[str, Known] = {known.row: known for known in (*_probing(), *_causal(), *_attribution())}
"""All figures, by the name of their row."""


def table_of(pieces: Iterable[pd.DataFrame], note: Callable[[Known], str]) -> pd.DataFrame:
    """Every known figure beside ours: one row each, in the order of :data:`KNOWN`; NaN where it was not measured.

    ``note``: why a figure outside its tolerance misses. Raises ``KeyError`` for a row that is no known figure.
    """
    got = pd.concat(list(pieces), ignore_index=True).set_index("row") if pieces else pd.DataFrame()
    if strange := sorted(set(got.index) - set(KNOWN)):
        raise KeyError(f"a piece measured {strange[0]!r}, which is no known figure")
    rows = []
    for key, known in KNOWN.items():
        ours = got.loc[key].to_dict() if key in got.index else {}
        value = float(ours.get("ours", NAN))
        inside = None if np.isnan(value) else known.inside(value)
        judged = {True: "yes", False: "no", None: "not judged" if np.isnan(known.reference) else "not measured"}
        figure = {"result": known.result, "condition": known.condition, "at": known.at, "measure": known.measure}
        reference = {"reference": known.reference, "tolerance": known.tolerance, "side": known.side}
        measures = {column: ours.get(column, NAN) for column in ("spread", "low", "high", "n", "repeats")}
        outcome = {"inside": judged[inside], "deviation": known.deviation(value), "source": known.source}
        explanation = note(known) if inside is False else ""
        rows.append(
            {**figure, **reference, "ours": value, **measures, **outcome, "explanation": explanation, "row": key}
        )
    return pd.DataFrame(rows)
