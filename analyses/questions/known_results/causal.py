"""Known results about erasing, interchanging and ablating, measured with this project's instruments.

    linear erasure           LEACE leaves a linear probe nothing, and changes little; iterative projection does not
    hierarchical equality    distributed alignment search, by hidden layer and rank, and its placebos
    present but unused       a network with two heads of which one is discarded: its concept can be decoded, and erasing
                             it costs the value nothing
    redundant copies         ablating one of two changes nothing, ablating both everything

The data for linear erasure are 64 units, mixtures of independent ones by a random matrix, with two class means 1.5
apart along a random direction; the source does not give its covariance, on which the series of iterative projection
depends, so these data were chosen to give the same accuracy before erasure and the same change.

Letters: n rows, D width, k rank.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from imprint.analyses.engine import Say
from imprint.analyses.questions.known_results import hierarchical_equality as he
from imprint.analyses.questions.known_results import references as known
from imprint.analyses.questions.known_results.digits import Digits
from imprint.analyses.questions.known_results.probing import count, unit
from imprint.analyses.questions.known_results.references import Figures
from imprint.analyses.statistics import NAN, Estimate
from imprint.probes.causal.alignment_search import Budget, search
from imprint.probes.causal.edit_runs import accuracy_lost
from imprint.probes.causal.experiments import ablations, erasure
from imprint.probes.interventions.erase import eraser
from imprint.probes.interventions.project import projection
from imprint.probes.readouts.base import ReadsClasses
from imprint.probes.readouts.linear_discriminant import LinearDiscriminant
from imprint.probes.readouts.logistic import Logistic
from imprint.probes.readouts.mean_difference import MeanDifference
from imprint.probes.readouts.mlp import Mlp
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.subjects.subject import Subject


def linear_erasure(*, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """LEACE and iterative projection on 2,000 training and 2,000 new rows."""
    repeats, n = count(5, scale), 2000
    figures, above = Figures(n), "accuracy above majority"
    train, new = slice(0, n), slice(n, 2 * n)
    for repeat in range(repeats):
        say(repeat, repeats, "")
        rng = np.random.default_rng([seed, repeat])
        y = rng.random(2 * n) < 0.5
        mixed = rng.normal(size=(2 * n, 64)) @ rng.normal(size=(64, 64)) / 8
        x = torch.from_numpy(mixed + 1.5 * np.outer(y - 0.5, unit(rng)))
        strong = Logistic(penalties=(1 / (1e3 * n),))
        figures.add(known.ERASED, "before", "accuracy", _accuracy(strong, x, y, (train, new)))
        erased = eraser(x[train], torch.from_numpy(y[train]))(x)
        for condition, probe, rows in (
            ("after, training rows", strong, train),
            ("after, new rows", strong, new),
            ("after, new rows, mlp", Mlp(), new),
        ):
            majority = max(y[rows].mean(), 1 - y[rows].mean())
            figures.add(known.ERASED, condition, above, _accuracy(probe, erased, y, (train, rows)) - majority)
        figures.add(known.ERASED, "relative change", "L2", (erased - x).norm() / x.norm())
        projected = x.clone()
        for removed in range(12):
            linear = Logistic(penalties=(1 / n,)).fit(projected[train].numpy(), y[train])
            right = (linear.predict(projected[new].numpy()) == y[new]).mean()
            figures.add(known.INLP, "directions removed", "accuracy", right, at=float(removed))
            if removed < 11:
                projected = projection(linear.direction, projected[train].mean(0))(projected)
        figures.add(known.INLP, "relative change", "L2", (projected - x).norm() / x.norm())
    return figures.table()


Rows = slice | np.ndarray


def _accuracy(probe: ReadsClasses | LogisticRegression, x: Tensor, y: np.ndarray, split: tuple[Rows, Rows]) -> float:
    """Plain accuracy of a probe that is fitted on the first rows of ``split`` and judged on the second."""
    rows, (train, new) = x.double().numpy(), split
    return float((probe.fit(rows[train], y[train]).predict(rows[new]) == y[new]).mean())


def erased_probes(figures: Figures, model: str, x: Tensor, y: np.ndarray, *, splits: int, seed: int) -> None:
    """Add the accuracy above the majority class of every probe of ``y`` ``[n]`` (bool), before and after LEACE.

    Eraser and probes are fitted on a random half of the rows ``[n, D]`` and judged on the other half.
    """
    half = len(y) // 2
    for split in range(splits):
        order = np.random.default_rng([seed, split]).permutation(len(y))
        train, new = order[:half], order[half:]
        erased = eraser(x[train], torch.from_numpy(y[train]))(x.double())
        majority = max(y[new].mean(), 1 - y[new].mean())
        probes = {
            "ridge": Ridge(),
            "linear_discriminant": LinearDiscriminant(),
            "mean_difference": MeanDifference(),
            "logistic": Logistic(penalties=(1e-2,)),
            "scikit-learn logistic": LogisticRegression(max_iter=5000),
            "mlp": Mlp(),
        }
        for probe, readout in probes.items():
            for rows, suffix in ((x, ", not erased"), (erased, "")):
                above = _accuracy(readout, rows, y, (train, new)) - majority
                condition = f"{model}, {probe}{suffix}"
                figures.add(known.ERASED_MODEL, condition, "accuracy above majority", above, n=half)


def erased_digits(*, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """Erase whether a digit is 5 or more from the last hidden layer of a perceptron that tells all ten digits apart."""
    digits, rng = Digits.loaded(), torch.Generator().manual_seed(seed)
    figures = Figures(len(digits.x))
    network = digits.perceptron((64, 64, 32, 10), digits.x, digits.digit, rng=rng)
    say(1, 2, "probes")
    seen = Subject(network, sites=["3"]).activations(digits.x)["3"]
    large = (digits.digit >= 5).numpy()
    erased_probes(figures, "digits perceptron", seen, large, splits=count(10, scale), seed=seed)
    return figures.table()


def alignment(*, layer: int, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """Interchange accuracy by rank behind one hidden layer, beside its placebos; scale shortens training too."""
    figures, rng = Figures(20_000), torch.Generator().manual_seed(seed)
    network = he.trained(rng=rng, steps=count(12_000, scale))
    subject, site = he.subject(network), f"{2 * layer - 1}"
    pairs, wrong = he.pairs(20_000, rng=rng)
    budget = Budget(steps=count(1500, scale))
    where = f"hidden layer {layer}"
    if layer == 1:
        figures.add(known.ALIGNED, "task", "accuracy", he.accuracy(network, rng=rng))
    for i, k in enumerate(known.RANKS):
        say(i, len(known.RANKS), f"rank {k}")
        middle = k == 16
        controls: dict[str, Any] = {"draws": 3}
        if middle and layer == 1:
            controls["untrained"] = he.subject(he.untrained(rng=rng))
        if middle and layer == 2:
            controls["wrong_target"] = wrong
        searched = search(subject, site, pairs, rank=k, budget=budget, rng=rng, **controls)
        conditions = {"learned": (where, float(k))}
        if middle:
            conditions["untrained rotation"] = (f"{where}, untrained rotation", NAN)
            conditions["wrong variable"] = (f"{where}, wrong variable", NAN)
            conditions["untrained model"] = (f"{where}, untrained network", NAN)
        for row in searched.table.to_dict("records"):
            if row["control"] in conditions and np.isfinite(row["score"]):
                condition, at = conditions[row["control"]]
                score = Estimate(row["score"], row["low"], row["high"], int(row["n"]))
                figures.add(known.ALIGNED, condition, "interchange accuracy", score, at=at, n=score.n)
    return figures.table(known_only=True)


class TwoHeads(nn.Module):
    """A perceptron that is trained on two labels at once; only its first head is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.heads = nn.Linear(64, 2)

    def forward(self, observation: Tensor) -> Tensor:
        """Logits ``[n, 2]``."""
        logits: Tensor = self.heads(self.body(observation))
        return logits


def unused_head(*, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """Two products of inputs are learned; the value is the first head alone; either is erased from the last layer."""
    figures, repeats = Figures(4000), count(3, scale)
    for repeat in range(repeats):
        say(repeat, repeats, "")
        rng = torch.Generator().manual_seed(1000 * seed + repeat)
        network = _two_heads(1000 * seed + repeat, count(2000, scale), rng)
        x, y = _products(4000, rng)
        subject = Subject(network.eval(), sites=["body.3"]).output(0)
        seen, unused = subject.activations(x)["body.3"].double().numpy(), y[:, 1].numpy()
        decoded = Logistic(penalties=(1e-3,)).fit(seen[:2000], unused[:2000]).score(seen[2000:], unused[2000:])
        right = float(((subject.values(x) > 0) == y[:, 0]).double().mean())
        lost = accuracy_lost(y[:, 0])
        cost_unused, cost_used = (
            erasure(subject, x, y[:, j], ["body.3"], cost=lost, placebos=3, rng=rng).iloc[0]["effect"] for j in (1, 0)
        )
        change = erasure(subject, x, y[:, 1], ["body.3"], placebos=10, rng=rng).iloc[0]
        figures.add(known.UNUSED, "task", "accuracy", right)
        figures.add(known.UNUSED, "unused concept", "decoded", decoded)
        figures.add(known.UNUSED, "unused concept erased", "accuracy lost", cost_unused)
        figures.add(known.UNUSED, "unused concept erased", "squared change above random", change["excess"])
        figures.add(known.UNUSED, "used concept erased", "accuracy", right - cost_used)
    return figures.table()


def _two_heads(seed: int, steps: int, rng: torch.Generator) -> TwoHeads:
    """The network after ``steps`` fresh batches; ``seed``: of its initial weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TwoHeads()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(steps):
        x, y = _products(256, rng)
        loss = nn.functional.binary_cross_entropy_with_logits(network(x), y.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


def _products(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Inputs ``[n, 20]`` and the signs of two products of two inputs each, bool ``[n, 2]``."""
    x = torch.randn(n, 20, generator=rng)
    return x, torch.stack([x[:, 0] * x[:, 1] > 0, x[:, 2] * x[:, 3] > 0], 1)


class Copies(nn.Module):
    """Copies its input's first number to two sites and returns their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Identity(), nn.Identity()

    def forward(self, observation: Tensor) -> Tensor:
        """Values ``[n]``: above 0 where a copy holds a 1."""
        total: Tensor = self.first(observation[:, :1]) + self.second(observation[:, :1])
        return total[:, 0] - 0.5


def redundant_copies(*, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """Zero ablation of one copy, of the other, and of both."""
    rng, n = torch.Generator().manual_seed(seed), count(4000, scale)
    figures = Figures(n)
    x = torch.randint(0, 2, (n, 1), generator=rng).float()
    subject, lost = Subject(Copies().eval(), sites=["first", "second"]), accuracy_lost(x[:, 0] > 0)
    table = ablations(subject, x, ["first", "second"], cost=lost, placebos=1, rng=rng)
    conditions = {"first": "first ablated", "second": "second ablated", "first + second": "both ablated"}
    for row in table[table["how"] == "zero"].to_dict("records"):
        accuracy = Estimate(1 - row["effect"], 1 - row["high"], 1 - row["low"], n)
        figures.add(known.COPIES, conditions[row["site"]], "accuracy", accuracy)
    return figures.table()
