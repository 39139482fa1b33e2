"""Two pieces of code to one specification: do they learn as fast, and make the same mistakes?

The specification is that of :data:`imprint.models.learning.plain_steps`: 64 pixels - ``HIDDEN`` tanh units - softmax
over 10 classes, weights normal with variance 1 / inputs, plain gradient steps on shuffled batches. Beside the code of
this project a library's is run, which shares nothing with it (scikit-learn's ``MLPClassifier``: NumPy, 64-bit numbers,
its own gradient and order of rows). Neither is told the weights or the order of the other. For each seed there are two
worlds, disjoint sets of training images, and one set of test images.

    same code        the other one is born again from this project's code, in the same world
    other code       the same specification in the library's code, in the same world
    same start       the library's code with this project's first weights, in the same world (positive control)
    other rule       feedback alignment in place of the gradient
    other wiring     a convolution in place of the dense layer, with as many hidden units
    neighbour        the class of the nearest training image
    forest           a random forest of 100 trees
    other world      this project's code in the other world

Each is compared with one reference, this project's code in the first world. Error consistency (Geirhos, Meding &
Wichmann 2020, arXiv 2006.16736) is how much more often two are both right or both wrong than independent ones would:

    kappa = (c - e) / (1 - e),   c: part of the images in which they agree so,   e = p q + (1 - p)(1 - q)

with the accuracies p and q. Distance of two learning curves: mean over the checkpoints of the difference in accuracy,
without its sign.

Letters: S seeds, n images.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import generator
from imprint.models.handwriting import CLASSES, FIGURE, Split, splits
from imprint.models.learning.plain_steps import BATCH, learned, newborn, started
from imprint.models.learning.tied_layers import pooled, tied, windows
from imprint.models.rules.base import Network

HIDDEN, IMAGES, RATE = 256, 200, 0.1
"""Hidden units, training images of a world, size of a step."""
CHECKPOINTS = (1, 2, 4, 8, 16, 32, 64)
"""Passes over the images after which accuracy is taken; all stop at the last."""
OTHERS = ("other rule", "other wiring", "neighbour", "forest")
"""Learners to another specification."""
Rights = NDArray[np.bool_]
"""Whether each test image is named rightly; with several checkpoints in front."""


def kappa(one: Rights, other: Rights) -> float:
    """Error consistency of two on the same images ``[n]``; NaN where independent ones would always agree."""
    p, q = float(one.mean()), float(other.mean())
    expected = p * q + (1 - p) * (1 - q)
    return (float((one == other).mean()) - expected) / (1 - expected) if expected < 1 else float("nan")


def worlds(seeds: Sequence[int]) -> tuple[Split, Split]:
    """Two worlds for each seed, with the same test images."""
    whole = splits(seeds, held_out=0.5)
    one, other = (slice(0, IMAGES), slice(IMAGES, 2 * IMAGES))
    return tuple(whole._replace(x=whole.x[:, part], y=whole.y[:, part]) for part in (one, other))  # type: ignore[return-value]


def right(network: Network, split: Split) -> Tensor:
    """Whether each test image is named rightly, ``[S, n]``."""
    return network.activities(split.tests)[-1].argmax(2) == split.answers


def own_code(split: Split, seeds: Sequence[int], name: str) -> tuple[Network, Tensor]:
    """This project's code: first weights, and whether test images are named rightly ``[S, checkpoints, n]``."""
    widths, rule, tie = (FIGURE**2, HIDDEN, CLASSES), "backprop", {}
    rngs = [generator("twin", name, seed) for seed in seeds]
    if name == "other wiring":
        channels = HIDDEN // FIGURE**2
        wired = windows(FIGURE, channels, 3, 1), pooled(FIGURE, channels, CLASSES, 1)
        weights, tie = [wiring.born(rngs) for wiring in wired], {"tie": partial(tied, wired)}
        network = Network(weights, [torch.zeros(each.shape[:2]) for each in weights], "softmax")
    else:
        network, rule = newborn(widths, rngs), "feedback_alignment" if name == "other rule" else rule
    own, orders = started(rule, widths, seeds), [generator("twin order", name, seed) for seed in seeds]
    first, found = network, []
    for epoch in range(1, CHECKPOINTS[-1] + 1):
        network = learned(network, own, split, orders, epochs=1, rate=RATE, **tie)  # type: ignore[arg-type]
        if epoch in CHECKPOINTS:
            found.append(right(network, split))
    return first, torch.stack(found, 1)


def library_code(split: Split, place: int, seed: int, first: Network | None = None) -> Rights:
    """The library's code on the images of one seed, ``[checkpoints, n]``; ``first``: networks that it starts from."""
    from sklearn.neural_network import MLPClassifier

    x, y, tests, answers = (part[place].numpy() for part in split)
    model = MLPClassifier(
        (HIDDEN,), activation="tanh", solver="sgd", alpha=0.0, batch_size=BATCH, learning_rate_init=RATE,
        momentum=0.0, nesterovs_momentum=False, random_state=seed % 2**32,
    )  # fmt: skip
    model.partial_fit(x[:BATCH].astype(float), y[:BATCH], classes=np.arange(CLASSES))
    rng = np.random.default_rng([seed, 34])
    for layer, weight in enumerate(model.coefs_):
        drawn = rng.standard_normal(weight.shape) / len(weight) ** 0.5
        weight[:] = drawn if first is None else first.weights[layer][place].T.numpy()
        model.intercepts_[layer][:] = 0.0
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for epoch in range(1, CHECKPOINTS[-1] + 1):
            model.partial_fit(x.astype(float), y)
            if epoch in CHECKPOINTS:
                found.append(model.predict(tests.astype(float)) == answers)
    return np.stack(found)


def other_algorithms(split: Split, place: int, seed: int) -> dict[str, Rights]:
    """Learners that are no networks, ``[n]`` each."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier

    x, y, tests, answers = (part[place].numpy() for part in split)
    models = {"neighbour": KNeighborsClassifier(1), "forest": RandomForestClassifier(100, random_state=seed % 2**32)}
    return {name: model.fit(x, y).predict(tests) == answers for name, model in models.items()}


def measure_copies(*, seeds: Sequence[int], say: Say) -> pd.DataFrame:
    """Rows of part, arm, measure, time, seed and value: accuracy, distance and error consistency of every pair."""
    here, there = worlds(seeds)
    runs = ("reference", "same code", "other rule", "other wiring", "other world")
    firsts, own = {}, {}
    for done, name in enumerate(runs):
        firsts[name], curves = own_code(there if name == "other world" else here, seeds, name)
        own[name] = curves.numpy()
        say(done, len(runs), name)
    rows: list[dict[str, Any]] = []
    for place, seed in enumerate(seeds):
        every = {name: rights[place] for name, rights in own.items()}
        every["other code"] = library_code(here, place, seed)
        every["same start"] = library_code(here, place, seed, firsts["reference"])
        every |= {name: each[None] for name, each in other_algorithms(here, place, seed).items()}
        rows += [{**row, "part": "copies", "seed": seed} for row in _compared(every, seed)]
        say(place, len(seeds), "copies are compared")
    return pd.DataFrame(rows)


def _compared(curves: dict[str, Rights], seed: int) -> Iterator[dict[str, Any]]:
    """Rows of every learner, compared with the reference."""
    mine = curves.pop("reference")
    order = torch.randperm(mine.shape[1], generator=generator("twin shuffle", seed)).numpy()
    curves = {**curves, "shuffled": mine[-1:, order]}
    for name, other in {"reference": mine, **curves}.items():
        times = CHECKPOINTS if len(other) > 1 else CHECKPOINTS[-1:]
        for time, value in zip(times, other.mean(1), strict=True):
            yield {"arm": name, "measure": "accuracy", "time": time, "value": float(value)}
    for name, other in curves.items():
        yield {"arm": name, "measure": "kappa", "time": -1, "value": kappa(mine[-1], other[-1])}
        if len(other) > 1:
            distance = float(np.abs(mine.mean(1) - other.mean(1)).mean())
            yield {"arm": name, "measure": "distance", "time": -1, "value": distance}
