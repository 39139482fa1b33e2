"""How much one has to read to know by which rule a network learns, and how much to know what it has learned.

A network, 64 pixels - ``HIDDEN`` tanh units - 10 classes, learns digits by one of five rules (:data:`KINDS`). Two
readers:

    the rule        records one hidden unit: its outgoing weights (10 numbers), and for each of n images what the output
                    was wrong by (10), how active the unit was, and how its bias was asked to change (12 numbers an
                    image). It names the rule by features of this record (:func:`features`) with a random forest that
                    has seen such records of networks of other seeds.
    the function    wants to give the network's answers to new images. Either it asks, and a student of the same shape
                    learns the answers to n images (64 + 10 numbers each), or it copies u units with all their weights
                    (64 + 1 + 10 numbers each, and 10 biases), the others left silent; whichever needs fewer numbers.

Cost of either: the smallest number of numbers read with which the rule is named in 90 % of the records, or 95 % of the
answers are the network's own. The reader of the function is given the numbers themselves, exactly; that of the rule
must infer. The rule is that of every unit, which is the point: the recipe is the same all over, and what it makes is
not.

Letters: S networks (seeds), n images, d hidden units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import generator
from imprint.models.handwriting import CLASSES, FIGURE, Split, splits
from imprint.models.learning.plain_steps import learned, newborn, started
from imprint.models.rules.base import Network, slope

HIDDEN, RATE, YOUNG, GROWN = 64, 0.1, 2, 40
"""Hidden units, size of a step, passes over the images before a unit is recorded, and before a function is copied."""
WIDTHS = (FIGURE**2, HIDDEN, CLASSES)
KINDS = ("backprop", "predictive_coding", "feedback_alignment", "node_perturbation", "hebbian")
EVENTS, ASKED, COPIED = (1, 2, 4, 8, 16, 32), (16, 32, 64, 128, 256, 512, 1024), (8, 16, 24, 32, 40, 48, 56, 64)
"""Images in a record of a unit, images that the student is answered, and units that are copied."""
KNOWN, SAME = 0.9, 0.95
"""Part of the records whose rule is named, and of the answers that are the network's own."""
RATES = {"node_perturbation": 0.02}


def taught(kind: str, seeds: Sequence[int], split: Split, epochs: int) -> tuple[Network, Any]:
    """Networks that learned by this rule, and the rule as it is then."""
    network = newborn(WIDTHS, [generator("recipe", kind, seed) for seed in seeds])
    rule, orders = started(kind, WIDTHS, seeds), [generator("recipe order", kind, seed) for seed in seeds]
    return learned(network, rule, split, orders, epochs=epochs, rate=RATES.get(kind, RATE)), rule


def records(kind: str, seeds: Sequence[int], split: Split) -> tuple[Tensor, Tensor, Tensor]:
    """Every hidden unit's gradient, activity and change, by image, ``[S, n, d]`` each; see :func:`features`.

    The gradient is what a reader works out from the errors at the output and the unit's own outgoing weights.
    """
    network, rule = taught(kind, seeds, split, YOUNG)
    shown = split.tests[:, : EVENTS[-1]]
    wanted = torch.nn.functional.one_hot(split.answers[:, : EVENTS[-1]], CLASSES).float()
    h = network.activities(shown)
    gradient = ((h[-1] - wanted) @ network.weights[1]) * slope(h[1])
    each = range(shown.shape[1])
    changes = [rule.changes(network, shown[:, i : i + 1], wanted[:, i : i + 1]).biases[0] for i in each]
    return gradient, h[1], torch.stack(changes, 1)


def features(gradient: Tensor, activity: Tensor, change: Tensor) -> Tensor:
    """Of records ``[S, n, d]`` five numbers that have no unit, ``[S, d, 5]``.

    Cosines over images of a unit's change with its gradient and with its activity, the logarithm of how large it is
    beside the gradient, how much its size varies, and the part of images with a change above 0.
    """
    size, tiny = change.abs(), 1e-12
    cosine = torch.nn.functional.cosine_similarity
    relative = ((size.mean(1) + tiny) / (gradient.abs().mean(1) + tiny)).log10()
    varies = size.std(1, unbiased=False) / (size.mean(1) + tiny)
    found = [cosine(change, gradient, dim=1), cosine(change, activity, dim=1), relative, varies]
    return torch.stack([*found, (change > 0).float().mean(1)], 2)


def named(known: NDArray[np.float32], rule: NDArray[np.int64], seed: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the rule of each record is named by a forest that has seen the seeds of the other parity."""
    from sklearn.ensemble import RandomForestClassifier

    found = np.zeros(len(rule), dtype=bool)
    for parity in (0, 1):
        mine = seed % 2 == parity
        forest = RandomForestClassifier(50, min_samples_leaf=3, random_state=parity).fit(known[~mine], rule[~mine])
        found[mine] = forest.predict(known[mine]) == rule[mine]
    return found


def measure_rule(*, seeds: Sequence[int], say: Say) -> pd.DataFrame:
    """Rows of part, arm, measure, time, seed and value: records whose rule is named, by numbers that were read."""
    split, whole = splits(seeds), []
    for done, kind in enumerate(KINDS):
        whole.append(records(kind, seeds, split))
        say(done, len(KINDS), f"units that learn by {kind} are recorded")
    rule = np.repeat(np.arange(len(KINDS)), len(seeds) * HIDDEN)
    seed = np.tile(np.repeat(np.asarray(seeds, dtype=np.int64), HIDDEN), len(KINDS))
    shuffled = torch.randperm(len(rule), generator=generator("recipe labels", *seeds)).numpy()
    rows: list[dict[str, Any]] = []
    for events in EVENTS:
        known = torch.cat([features(*(part[:, :events] for part in each)).flatten(0, 1) for each in whole]).numpy()
        arms = {"rule": named(known, rule, seed)}
        if events == EVENTS[-1]:
            arms["shuffled rules"] = named(known, rule[shuffled], seed)
        for arm, hits in arms.items():
            about = {"part": "recipe", "arm": arm, "measure": "named", "time": CLASSES + 12 * events}
            rows += [{**about, "seed": one, "value": float(hits[seed == one].mean())} for one in seeds]
    return pd.DataFrame(rows)


def silenced(network: Network, units: int, order: Tensor) -> Network:
    """The network with all but ``units`` hidden units silent; ``order`` ``[S, d]`` says which come first."""
    kept = torch.zeros_like(order, dtype=torch.float32).scatter_(1, order[:, :units], 1.0)
    first, last = network.weights
    return Network([first, last * kept[:, None]], network.biases, network.output)


def student(split: Split, answers: Tensor, seeds: Sequence[int], steps: int) -> Network:
    """A network of the same shape that learns ``answers`` ``[S, n, 10]`` to the images by Adam."""
    network = newborn(WIDTHS, [generator("student", seed) for seed in seeds])
    parts = [each.requires_grad_(True) for each in (*network.weights, *network.biases)]
    optimiser, rng = torch.optim.Adam(parts, lr=0.003), generator("student rows", *seeds)
    for _ in range(steps):
        rows = torch.randint(answers.shape[1], (min(64, answers.shape[1]),), generator=rng)
        optimiser.zero_grad()
        network.losses(network.activities(split.x[:, rows])[-1], answers[:, rows]).mean(1).sum().backward()
        optimiser.step()
    for each in parts:
        each.requires_grad_(False)
    return network


def measure_function(*, seeds: Sequence[int], steps: int, say: Say) -> pd.DataFrame:
    """Rows of part, arm, measure, time, seed and value: answers that are the network's own, by numbers read."""
    split = splits(seeds)
    network, _ = taught("backprop", seeds, split, GROWN)
    own = network.activities(split.tests)[-1].argmax(2)
    rows: list[dict[str, Any]] = []

    def add(arm: str, numbers: int, reader: Network) -> None:
        same = (reader.activities(split.tests)[-1].argmax(2) == own).float().mean(1).tolist()
        about = {"part": "recipe", "arm": arm, "measure": "same", "time": numbers}
        rows.extend({**about, "seed": seed, "value": value} for seed, value in zip(seeds, same, strict=True))

    order = torch.stack([torch.randperm(HIDDEN, generator=generator("copied", seed)) for seed in seeds])
    for units in COPIED:
        add("copied", CLASSES + units * (FIGURE**2 + 1 + CLASSES), silenced(network, units, order))
    answers = network.activities(split.x)[-1]
    for done, asked in enumerate(ASKED):
        add("asked", asked * (FIGURE**2 + CLASSES), student(split, answers[:, :asked], seeds, steps))
        say(done, len(ASKED), "students ask")
    return pd.DataFrame(rows)


def costs(table: pd.DataFrame, arms: Sequence[str], enough: float) -> pd.Series:
    """Smallest number of numbers read with which a seed reaches ``enough``; NaN where none does."""
    rows = table[(table["part"] == "recipe") & table["arm"].isin(arms)]
    reached = rows[rows["value"] >= enough].groupby("seed")["time"].min()
    return reached.reindex(sorted(rows["seed"].unique())).astype(float)
