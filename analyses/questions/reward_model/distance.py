"""EPIC: a distance of two reward functions that no potential-based shaping and no positive scale changes.

Equivalent-Policy Invariant Comparison (Gleave et al. 2021, arXiv 2006.13900, definitions 4.1 to 4.6). A reward is a
table R[s, s'] over pairs of states, all equally likely:

    C(R)[s, s'] = R[s, s'] + E[ discount R[s', S'] - R[s, S'] - discount R[S, S'] ]
    EPIC(A, B)  = sqrt((1 - correlation(C(A), C(B))) / 2)        0 equal up to shaping and positive scale, 1 opposite

It cannot tell a reward for another place from a random reward: for sparse rewards both distances are
sqrt((1 + 1 / (cells - 1)) / 2) or near it. It is therefore never shown without the predictions of the reward model for
steps that were chosen to tell the two apart.

Letters: K states.
"""

from __future__ import annotations

import numpy as np

from imprint.analyses.statistics import Floats
from imprint.models.errors import ImprintError


def canonical(reward: Floats, discount: float) -> Floats:
    """Canonically shaped reward ``[K, K]`` of ``reward`` ``[K, K]`` (rows: before, columns: after)."""
    if reward.ndim != 2 or reward.shape[0] != reward.shape[1]:
        raise ImprintError(f"the reward is {list(reward.shape)}; expected a square table: states before and after.")
    onward = reward.mean(1)
    return np.asarray(reward + discount * onward[None, :] - onward[:, None] - discount * reward.mean())


def epic(first: Floats, second: Floats, discount: float) -> float:
    """EPIC distance of two rewards ``[K, K]``; NaN when one of them is constant after shaping."""
    a, b = (canonical(np.asarray(r, dtype=np.float64), discount).ravel() for r in (first, second))
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    if not size > 1e-12 * max(1.0, float(np.abs(first).max() * np.abs(second).max())):
        return float("nan")
    return float(np.sqrt(max(0.0, (1 - min(1.0, (a @ b) / size)) / 2)))


def sanity(cells: int, discount: float, rng: np.random.Generator) -> dict[str, float]:
    """EPIC from a reward for one cell to rewards whose distance is known: name -> distance."""
    goal, proxy = np.zeros((2, cells, cells))
    goal[:, 0], proxy[:, -1] = 1.0, 1.0
    potential = rng.normal(size=cells)
    shaped = goal + discount * potential[None, :] - potential[:, None]
    return {
        "scaled and shifted": epic(goal, 3 * goal + 5, discount),
        "shaped": epic(goal, shaped, discount),
        "negated": epic(goal, -goal, discount),
        "another cell": epic(goal, proxy, discount),
        "random": epic(goal, rng.normal(size=(cells, cells)), discount),
    }
