"""What the world's facts say of a code that no declared concept explains.

Letters: n rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from sklearn.linear_model import RidgeCV
from torch import Tensor

from imprint.analyses.expose.ground import Ground
from imprint.analyses.expose.splitting import MOST_CELLS, PAIR, explained_by
from imprint.analyses.statistics import Floats

NAMES, BY_NOISE = 0.1, 0.5
"""Part of a code's variance from which a fact names it, and from which diffuse noise makes it noise."""


def named(code: Floats, ground: Ground, noise: Mapping[str, Tensor]) -> tuple[dict[str, float], float]:
    """Facts, alone or two together, that explain a code ``[n]``, with their scores, and what diffuse noise explains.

    ``noise``: entry -> ``[n, ...]``.
    """
    every, undeclared = ground.codes, [name for name in ground.codes if name not in ground.declared]
    facts = explained_by(code, {name: every[name] for name in undeclared}, least=NAMES)
    best = max(facts.values(), default=0.0)
    if best < BY_NOISE:
        pairs = {}
        asked = itertools.product([name for name in ground.declared if name in every], undeclared)
        for a, b in [*itertools.combinations(undeclared, 2), *asked]:
            (first, names), (second, others) = every[a], every[b]
            if len(names) * len(others) <= MOST_CELLS:
                joint = first * len(others) + second
                pairs[f"{a}{PAIR}{b}"] = (joint, tuple(map(str, range(len(names) * len(others)))))
        both = explained_by(code, pairs, least=best + NAMES)
        if both:
            name, score = next(iter(both.items()))
            facts = {**facts, **{one: score for one in name.split(PAIR) if one not in ground.declared}}
    return facts, max((_linear(code, value) for value in noise.values()), default=0.0)


def _linear(code: Floats, noise: Tensor) -> float:
    """Part of a code that noise explains linearly, fitted on one half of the rows and scored on the other."""
    x, half = noise.reshape(len(noise), -1).double().numpy(), len(code) // 2
    if x.shape[1] >= half // 2:
        return 0.0
    return float(RidgeCV(np.logspace(-2, 3, 6)).fit(x[:half], code[:half]).score(x[half:], code[half:]))
