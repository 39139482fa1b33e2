"""known_references: figures that are known, and how near ours must come.

One row per figure, written down before any of ours exists. The figures were measured independently of this project's
instruments, with scikit-learn and plain torch scripts; where a method comes from a paper, ``source`` names it. A
tolerance is three reported standard deviations where the spread was reported and known to be that of our condition,
otherwise a judgement. ``at most`` and ``at least`` are bounds: a rate of false claims may be lower than the figure, but
never higher than figure + tolerance.

A row without a figure (``nan``) is measured and shown, and not judged.

Letters: V types, k rank of a subspace, t share of removed pixels, rho agreement of a proxy with the label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

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
    """Where on the curve, if it is one."""
    side: Side = "both"

    @property
    def row(self) -> str:
        """Its name."""
        return name(self.result, self.condition, self.measure, self.at)

    def inside(self, ours: float) -> bool | None:
        """Whether ours is as near as it must be; None when it is not judged."""
        if np.isnan(self.reference):
            return None
        off = self.deviation(ours)
        return bool({"both": abs(off), "at most": off, "at least": -off}[self.side] <= 1 + 1e-9)

    def deviation(self, ours: float) -> float:
        """Ours minus the figure, in tolerances."""
        return (ours - self.reference) / self.tolerance


def name(result: str, condition: str, measure: str, at: float = NAN) -> str:
    """How a row is called by the piece that measures it."""
    return f"{result} | {condition} | {measure}" + ("" if np.isnan(at) else f" | {at:g}")


def measured(
    row: str, values: Any, *, n: int, low: float = NAN, high: float = NAN, seconds: float = NAN
) -> dict[str, Any]:
    """A row of a piece's table: mean of ``values`` over repeats, and their standard deviation or an interval.

    ``values``: numbers, or an :class:`~imprint.analyses.statistics.Estimate` that brings its own interval.
    """
    if isinstance(values, Estimate):
        values, low, high = values.value, values.low, values.high
    each = np.atleast_1d(np.asarray(values, dtype=np.float64))
    spread = float(each.std(ddof=1)) if len(each) > 1 else NAN
    return {"row": row, "ours": float(each.mean()), "spread": spread, "low": low, "high": high, "n": n,
            "repeats": len(each), "cpu_seconds": seconds}  # fmt: skip


def _curve(
    result: str,
    condition: str,
    measure: str,
    figures: Mapping[Any, float],
    tolerance: float,
    source: str,
    **more: Any,
) -> list[Known]:
    return [
        Known(result, condition, measure, float(figure), tolerance, source, float(at), **more)
        for at, figure in figures.items()
    ]


def _single(result: str, source: str, rows: Iterable[tuple[Any, ...]]) -> list[Known]:
    """Rows of (condition, measure, reference, tolerance) with a side, if it is a bound."""
    return [Known(result, r[0], r[1], r[2], r[3], source, side=r[4] if len(r) > 4 else "both") for r in rows]


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

LINEAR = ("ridge", "linear_discriminant", "mean_difference", "logistic", "scikit-learn logistic")


def _probing() -> list[Known]:
    rows: list[Known] = []
    for readout, figures in _PLANTED.items():
        rows += _curve(PLANTED, readout, "accuracy", dict(zip(DELTAS, figures, strict=True)), 0.015, SIGNAL)
    for readout, cosines in _COSINE.items():
        rows += _curve(PLANTED, readout, "cosine", dict(zip(DELTAS[3:], cosines, strict=True)), 0.05, SIGNAL)
    source = "40 groups of 25 rows, one label each, no concept"
    rows += _curve(LEAK, "rows split at random", "accuracy", {0.5: 0.676, 1: 0.810, 2: 0.953}, 0.05, source)
    rows += _curve(LEAK, "groups kept together", "accuracy", {0.5: 0.458, 1: 0.441, 2: 0.495}, 0.06, source)
    for split in ("rows split at random", "groups kept together"):
        bound: dict[str, Any] = {"side": "at most"}
        rows += _curve(LEAK, split, "called present", {0.5: 0.0, 1: 0.0, 2: 0.0}, 0.05, source, **bound)
    types = (50, 200, 1000)
    for probe, task, control in (
        ("linear", (0.978, 0.873, 0.850), (0.940, 0.715, 0.554)),
        ("mlp 256", (1.0, 0.996, 0.930), (1.0, 1.0, 0.895)),
    ):
        for v, a, b in zip(types, task, control, strict=True):
            for measure, figure in (("task", a), ("control", b), ("selectivity", a - b)):
                rows += _curve(CONTROL, f"{probe}, shared types", measure, {v: round(figure, 3)}, 0.05, HEWITT)
    held = dict(zip(types, (0.67, 0.74, 0.84), strict=True))
    rows += _curve(CONTROL, "linear, held-out types", "task", held, 0.05, HEWITT)
    rows += _curve(CONTROL, "linear, held-out types", "control", dict.fromkeys(types, 0.48), 0.05, HEWITT)
    for at, figure, tolerance in ((0, 0.984, 0.01), (1, 1.157, 0.03), (2, 1.778, 0.13), (4, 5.58, 0.36)):
        rows += _curve(CODE, "8,000 balanced labels", "compression", {at: figure}, tolerance, VOITA)
    rows += _single(XOR, "closed form: no linear function tells it",
                    [("linear probe", "accuracy", 0.506, 0.03), ("mlp 64", "accuracy", 0.998, 0.01)])  # fmt: skip
    rows += _single(NULLS, "Phipson & Smyth 2010: uniform when honest", [
        ("no concept", "rate of p <= .05", 0.055, 0.035),
        ("no concept", "Kolmogorov-Smirnov p", 0.05, 1e-9, "at least"),
    ])  # fmt: skip
    rows += _single(MAPS, "Holm 1979; Benjamini & Hochberg 1995", [
        ("12 sites x 20 absent concepts, uncorrected", "false claims per map", 11.5, 3.0),
        ("12 sites x 20 absent concepts, uncorrected", "maps with a false claim", 1.0, 0.05),
        ("12 sites x 20 absent concepts, Holm", "maps with a false claim", 0.03, 0.07, "at most"),
        ("12 sites x 20 absent concepts, Benjamini-Hochberg", "maps with a false claim", 0.03, 0.07, "at most"),
    ])  # fmt: skip
    return rows


def _causal() -> list[Known]:
    rows = _single(ERASED, LEACE, [
        ("before", "accuracy", 0.994, 0.01),
        ("after, training rows", "accuracy above majority", 0.0, 0.02, "at most"),
        ("after, new rows", "accuracy above majority", 0.0, 0.02, "at most"),
        ("after, new rows, mlp", "accuracy above majority", 0.0, 0.02, "at most"),
        ("relative change", "L2", 0.10, 0.05),
    ])  # fmt: skip
    series = (0.994, 0.929, 0.860, 0.811, 0.772, 0.729, 0.730, 0.705, 0.682, 0.656, 0.625, 0.588)
    rows += _curve(INLP, "directions removed", "accuracy", dict(enumerate(series)), 0.05, LEACE)
    rows += _single(INLP, LEACE, [("relative change", "L2", 0.17, 0.05)])
    for model in ("digits perceptron", "grid transformer"):
        for probe in LINEAR:
            rows += _single(ERASED_MODEL, LEACE,
                            [(f"{model}, {probe}", "accuracy above majority", 0.0, 0.02, "at most")])  # fmt: skip
        rows += _single(ERASED_MODEL, LEACE, [(f"{model}, mlp", "accuracy above majority", NAN, NAN)])
        for probe in (*LINEAR, "mlp"):
            rows += _single(
                ERASED_MODEL, LEACE, [(f"{model}, {probe}, not erased", "accuracy above majority", NAN, NAN)]
            )
    for layer, figures, tolerance, rotation in (
        (1, (0.837, 0.879, 0.974, 0.973, 0.981), (0.10, 0.10, 0.03, 0.03, 0.03), (0.605, 0.08)),
        (2, (0.512, 0.723, 0.743, 0.745, 0.745), (0.15,) * 5, (0.565, 0.08)),
        (3, (0.510, 0.510, 0.504, 0.509, 0.504), (0.05,) * 5, (0.485, 0.06)),
    ):
        for k, figure, within in zip(RANKS, figures, tolerance, strict=True):
            rows += _curve(ALIGNED, f"hidden layer {layer}", "interchange accuracy", {k: figure}, within, DAS)
        rows += _single(
            ALIGNED, DAS, [(f"hidden layer {layer}, untrained rotation", "interchange accuracy", *rotation)]
        )
    rows += _single(ALIGNED, DAS, [
        ("task", "accuracy", 0.9998, 0.005),
        ("hidden layer 2, wrong variable", "interchange accuracy", 0.510, 0.05),
        ("hidden layer 1, untrained network", "interchange accuracy", 0.50, 0.05),
    ])  # fmt: skip
    rows += _single(UNUSED, AMNESIC, [
        ("task", "accuracy", 0.95, 0.05),
        ("unused concept", "decoded", 0.99, 0.04, "at least"),
        ("unused concept erased", "accuracy lost", 0.0, 0.02, "at most"),
        ("unused concept erased", "squared change above random", 0.0, 0.02, "at most"),
        ("used concept erased", "accuracy", 0.48, 0.06),
    ])  # fmt: skip
    rows += _single(COPIES, "two copies of which either suffices, by construction", [
        ("first ablated", "accuracy", 1.0, 0.01), ("second ablated", "accuracy", 1.0, 0.01),
        ("both ablated", "accuracy", 0.499, 0.03),
    ])  # fmt: skip
    rows += _single(STATE, OTHELLO, [
        ("long enough", "next colour, accuracy", 0.935, 0.05),
        ("long enough", "cell, last layer", 0.64, 0.10),
        ("long enough", "cell, above untrained", 0.44, 0.15),
        ("long enough", "cell, above input history", 0.15, 0.10, "at least"),
        ("long enough", "called present", 1.0, 0.01),
        ("too short", "cell, above untrained", NAN, NAN),
        ("too short", "cell, above input history", 0.0, 0.02, "at most"),
        ("too short", "called given by input", 1.0, 0.01),
        ("input history", "cell", 0.49, 0.10),
    ])  # fmt: skip
    return rows


RANKS = (1, 2, 8, 16, 32)


def _attribution() -> list[Known]:
    rows = _single(CONCEPT, TCAV, [
        ("random concepts, against random concepts", "called used", 0.05, 0.02, "at most"),
        ("random concepts, t-test of runs", "called used", 0.455, 0.10),
        ("the class itself", "score", 1.0, 0.05),
    ])  # fmt: skip
    for factors, estimator, d, c, within in (
        ("permuted and scaled", "lasso", 1.0, 1.0, 0.02),
        ("tanh", "lasso", 1.0, 1.0, 0.02),
        ("rotated", "lasso", 0.27, 0.28, 0.10),
        ("rotated", "forest", 0.59, 0.59, 0.10),
        ("three copies", "lasso", 1.0, 1.0, 0.05),
        ("three copies", "forest", NAN, 0.60, 0.10),
    ):
        tolerance = NAN if np.isnan(d) else within
        rows += _single(CODES, DCI, [(f"{factors}, {estimator}", "disentanglement", d, tolerance),
                                     (f"{factors}, {estimator}", "completeness", c, within)])  # fmt: skip
    rows += _single(CODES, DCI, [("unrelated, lasso", "refused", 1.0, 0.01)])
    for method, size in (("gradient_times_input", 0.909), ("integrated_gradients", 0.907)):
        rows += _single(NOISE, ADEBAYO, [
            (method, "signed rank correlation", 0.0, 0.15), (method, "absolute rank correlation", size, 0.05),
        ])  # fmt: skip
    shares = (0.1, 0.3, 0.5, 0.7, 0.9)
    for ranking, left in (
        ("attribution", (0.956, 0.938, 0.900, 0.905, 0.905)),
        ("random", (0.951, 0.911, 0.842, 0.714, 0.402)),
        ("variance", (0.950, 0.884, 0.738, 0.233, 0.101)),
    ):
        rows += _curve(MASK, ranking, "accuracy", dict(zip(shares, left, strict=True)), 0.05, ROAR)
    rows += _single(MASK, ROAR, [("nothing removed", "accuracy", 0.968, 0.02)])
    rows += _curve(MASK, "attribution", "mask called leaking", {0.9: 1.0}, 0.01, ROAR)
    agreement = (0.5, 0.9, 0.99, 1.0)
    spreads = (0.03, 0.04, 0.13, 0.03)
    source = "scikit-learn digits; corner pixels agree with the label in a share rho of the training rows"
    for measure, figures, tolerances in (
        ("accuracy in agreement", (0.978, 0.991, 0.999, 1.0), (0.03,) * 4),
        ("accuracy in conflict", (0.978, 0.898, 0.316, 0.005), spreads),
        ("flips with the proxy", (0.012, 0.093, 0.684, 0.995), spreads),
        ("integrated gradients on the proxy", (0.017, 0.061, 0.149, 0.272), (0.05,) * 4),
        ("linear probe of the concept", (0.978, 0.956, 0.876, 0.820), (0.05,) * 4),
    ):
        for at, figure, within in zip(agreement, figures, tolerances, strict=True):
            rows += _curve(PROXY, "perceptron", measure, {at: figure}, within, source)
    return rows


KNOWN: dict[str, Known] = {known.row: known for known in (*_probing(), *_causal(), *_attribution())}
"""All figures, by the name of their row."""


def table_of(pieces: Iterable[pd.DataFrame], note: Callable[[Known], str]) -> pd.DataFrame:
    """Every known figure beside ours: one row each, in the order of :data:`KNOWN`; NaN where it was not measured."""
    got = pd.concat(list(pieces), ignore_index=True).set_index("row") if pieces else pd.DataFrame()
    if strange := sorted(set(got.index) - set(KNOWN)):
        raise KeyError(f"a piece measured {strange[0]!r}, which is no known figure")
    rows = []
    for key, known in KNOWN.items():
        ours = got.loc[key].to_dict() if key in got.index else {}
        value = float(ours.get("ours", NAN))
        inside = None if np.isnan(value) else known.inside(value)
        judged = {True: "yes", False: "no", None: "not judged" if np.isnan(known.reference) else "not measured"}
        rows.append({
            "result": known.result, "condition": known.condition, "at": known.at, "measure": known.measure,
            "reference": known.reference, "tolerance": known.tolerance, "side": known.side, "ours": value,
            "spread": ours.get("spread", NAN), "low": ours.get("low", NAN), "high": ours.get("high", NAN),
            "n": ours.get("n", NAN), "repeats": ours.get("repeats", NAN), "inside": judged[inside],
            "deviation": known.deviation(value), "source": known.source,
            "explanation": note(known) if inside is False else "", "row": key,
        })  # fmt: skip
    return pd.DataFrame(rows)
