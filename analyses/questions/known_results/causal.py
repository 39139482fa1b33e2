"""known_causal: known results about erasing, interchanging and ablating, measured with this project's instruments.

    linear erasure           LEACE leaves a linear probe nothing, and changes little; iterative projection does not
    hierarchical equality    distributed alignment search, by hidden layer and rank, and its placebos
    present but unused       a network with two heads of which one is thrown away: perfectly decodable, and erasing it
                             costs the value nothing
    redundant copies         ablating one of two changes nothing, ablating both everything

The data for linear erasure are 64 units, mixtures of independent ones by a random matrix, with two class means 1.5
apart along a random direction; the source does not say its own covariance, on which the series of iterative projection
depends, so these data were chosen to give the same accuracy before and the same change.

Letters: n rows, D width, k rank.
"""

from __future__ import annotations

import time

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
from imprint.analyses.questions.known_results.references import measured, name
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
    began, repeats, n = time.process_time(), count(5, scale), 2000
    found: dict[str, list[float]] = {}

    def note(result: str, condition: str, measure: str, value: float, at: float = float("nan")) -> None:
        found.setdefault(name(result, condition, measure, at), []).append(value)

    for repeat in range(repeats):
        say(repeat, repeats, "")
        rng = np.random.default_rng([seed, repeat])
        y = rng.random(2 * n) < 0.5
        mixed = rng.normal(size=(2 * n, 64)) @ rng.normal(size=(64, 64)) / 8
        x = torch.from_numpy(mixed + 1.5 * np.outer(y - 0.5, unit(rng)))
        train, new = slice(0, n), slice(n, 2 * n)
        strong = Logistic(penalties=(1 / (1e3 * n),))
        note(known.ERASED, "before", "accuracy", _right(strong, x, y, train, new))
        erased = eraser(x[train], torch.from_numpy(y[train]))(x)
        above = "accuracy above majority"
        majority = [max(y[part].mean(), 1 - y[part].mean()) for part in (train, new)]
        note(known.ERASED, "after, training rows", above, _right(strong, erased, y, train, train) - majority[0])
        note(known.ERASED, "after, new rows", above, _right(strong, erased, y, train, new) - majority[1])
        note(known.ERASED, "after, new rows, mlp", above, _right(Mlp(), erased, y, train, new) - majority[1])
        note(known.ERASED, "relative change", "L2", float((erased - x).norm() / x.norm()))
        left = x.clone()
        for removed in range(12):
            probe = Logistic(penalties=(1 / n,)).fit(left[train].numpy(), y[train])
            right = float((probe.predict(left[new].numpy()) == y[new]).mean())
            note(known.INLP, "directions removed", "accuracy", right, float(removed))
            if removed < 11:
                left = projection(probe.direction, left[train].mean(0))(left)
        note(known.INLP, "relative change", "L2", float((left - x).norm() / x.norm()))
    seconds = time.process_time() - began
    return pd.DataFrame([measured(k, v, n=n, seconds=seconds) for k, v in found.items()])


def _right(
    probe: ReadsClasses | LogisticRegression,
    x: Tensor,
    y: np.ndarray,
    train: slice | np.ndarray,
    new: slice | np.ndarray,
) -> float:
    """Plain accuracy on ``new`` rows of a probe fitted on ``train`` rows."""
    rows = x.double().numpy()
    return float((probe.fit(rows[train], y[train]).predict(rows[new]) == y[new]).mean())


def erased_probes(model: str, x: Tensor, y: np.ndarray, *, splits: int, seed: int) -> list[dict[str, object]]:
    """Accuracy above the majority class of every probe of ``y`` ``[n]`` (bool), before and after LEACE.

    Eraser and probes are fitted on a random half of the rows ``[n, D]`` and judged on the other half.
    """
    found: dict[str, list[float]] = {}
    for split in range(splits):
        order = np.random.default_rng([seed, split]).permutation(len(y))
        train, new = order[: len(y) // 2], order[len(y) // 2 :]
        erased = eraser(x[train], torch.from_numpy(y[train]))(x.double())
        majority = max(y[new].mean(), 1 - y[new].mean())
        for probe, readout in {
            "ridge": Ridge(), "linear_discriminant": LinearDiscriminant(), "mean_difference": MeanDifference(),
            "logistic": Logistic(penalties=(1e-2,)), "scikit-learn logistic": LogisticRegression(max_iter=5000),
            "mlp": Mlp(),
        }.items():  # fmt: skip
            for rows, after in ((x, ", not erased"), (erased, "")):
                row = name(known.ERASED_MODEL, f"{model}, {probe}{after}", "accuracy above majority")
                found.setdefault(row, []).append(_right(readout, rows, y, train, new) - majority)
    return [measured(row, values, n=len(y) // 2) for row, values in found.items()]


def erased_digits(*, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """Erasing whether a digit is 5 or more from the last hidden layer of a perceptron that tells all ten digits."""
    began, rng = time.process_time(), torch.Generator().manual_seed(seed)
    digits = Digits.loaded()
    network = digits.perceptron((64, 64, 32, 10), digits.x, digits.digit, rng=rng)
    say(1, 2, "probes")
    seen = Subject(network, sites=["3"]).activations(digits.x)["3"]
    rows = erased_probes("digits perceptron", seen, (digits.digit >= 5).numpy(), splits=count(10, scale), seed=seed)
    return pd.DataFrame(rows).assign(cpu_seconds=time.process_time() - began)


def alignment(*, layer: int, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """Interchange accuracy by rank behind one hidden layer, beside its placebos; scale shortens training too."""
    began, rng = time.process_time(), torch.Generator().manual_seed(seed)
    network = he.trained(rng=rng, steps=count(12_000, scale))
    subject, site = he.subject(network), f"{2 * layer - 1}"
    pairs, wrong = he.pairs(20_000, rng=rng)
    budget = Budget(steps=count(1500, scale))
    where, what = f"hidden layer {layer}", "interchange accuracy"
    rows = []
    if layer == 1:
        right = he.accuracy(network, rng=rng)
        rows.append(measured(name(known.ALIGNED, "task", "accuracy"), right, n=20_000))
    for i, k in enumerate(known.RANKS):
        say(i, len(known.RANKS), f"rank {k}")
        middle = k == 16
        found = search(
            subject, site, pairs, rank=k, budget=budget, draws=3, resamples=100, rng=rng,
            untrained=he.subject(he.untrained(rng=rng)) if middle and layer == 1 else None,
            wrong_target=wrong if middle and layer == 2 else None,
        ).table.set_index("control")  # fmt: skip
        wanted = {"learned": name(known.ALIGNED, where, what, float(k))}
        if middle:
            wanted["untrained rotation"] = name(known.ALIGNED, f"{where}, untrained rotation", what)
            wanted["wrong variable"] = name(known.ALIGNED, f"{where}, wrong variable", what)
            wanted["untrained model"] = name(known.ALIGNED, f"{where}, untrained network", what)
        for control, row in wanted.items():
            score, low, high, n = (float(v) for v in found.loc[control, ["score", "low", "high", "n"]].to_numpy())
            if row in known.KNOWN and np.isfinite(score):
                rows.append(measured(row, score, n=int(n), low=low, high=high))
    return pd.DataFrame(rows).assign(cpu_seconds=time.process_time() - began)


class TwoHeads(nn.Module):
    """A perceptron that learns two answers at once; what is kept of it is the first head."""

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
    began, repeats = time.process_time(), count(3, scale)
    found: dict[str, list[float]] = {}
    for repeat in range(repeats):
        say(repeat, repeats, "")
        rng = torch.Generator().manual_seed(1000 * seed + repeat)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1000 * seed + repeat)
            network = TwoHeads()
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        for _ in range(count(2000, scale)):
            x, y = _products(256, rng)
            loss = nn.functional.binary_cross_entropy_with_logits(network(x), y.float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        x, y = _products(4000, rng)
        subject = Subject(network.eval(), sites=["body.3"]).output(0)
        seen = subject.activations(x)["body.3"].double().numpy()
        decoded = (
            Logistic(penalties=(1e-3,)).fit(seen[:2000], y[:2000, 1].numpy()).score(seen[2000:], y[2000:, 1].numpy())
        )
        right = float(((subject.values(x) > 0) == y[:, 0]).double().mean())
        lost = accuracy_lost(y[:, 0])
        unused, used = (
            erasure(subject, x, y[:, j], ["body.3"], cost=lost, placebos=3, resamples=100, rng=rng).iloc[0]
            for j in (1, 0)
        )
        change = erasure(subject, x, y[:, 1], ["body.3"], placebos=10, resamples=100, rng=rng).iloc[0]
        for condition, measure, value in (
            ("task", "accuracy", right), ("unused concept", "decoded", decoded),
            ("unused concept erased", "accuracy lost", unused["effect"]),
            ("unused concept erased", "squared change above random", change["excess"]),
            ("used concept erased", "accuracy", right - used["effect"]),
        ):  # fmt: skip
            found.setdefault(name(known.UNUSED, condition, measure), []).append(float(value))
    seconds = time.process_time() - began
    return pd.DataFrame([measured(k, v, n=4000, seconds=seconds) for k, v in found.items()])


def _products(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Inputs ``[n, 20]`` and the signs of two products of two inputs each, bool ``[n, 2]``."""
    x = torch.randn(n, 20, generator=rng)
    return x, torch.stack([x[:, 0] * x[:, 1] > 0, x[:, 2] * x[:, 3] > 0], 1)


class Copies(nn.Module):
    """Writes its input's first number into two places, and answers by their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Identity(), nn.Identity()

    def forward(self, observation: Tensor) -> Tensor:
        """Values ``[n]``: above 0 where a copy holds a 1."""
        total: Tensor = self.first(observation[:, :1]) + self.second(observation[:, :1])
        return total[:, 0] - 0.5


def redundant_copies(*, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """Zero ablation of one copy, of the other, and of both."""
    began, rng, n = time.process_time(), torch.Generator().manual_seed(seed), count(4000, scale)
    x = torch.randint(0, 2, (n, 1), generator=rng).float()
    subject, lost = Subject(Copies().eval(), sites=["first", "second"]), accuracy_lost(x[:, 0] > 0)
    table = ablations(subject, x, ["first", "second"], cost=lost, placebos=1, resamples=200, rng=rng)
    zero = table[table["how"] == "zero"].set_index("site")
    sites = {"first": "first ablated", "second": "second ablated", "first + second": "both ablated"}
    rows = [
        measured(name(known.COPIES, condition, "accuracy"), 1 - zero["effect"][site], n=n,
                 low=1 - zero["high"][site], high=1 - zero["low"][site])
        for site, condition in sites.items()
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(cpu_seconds=time.process_time() - began)
