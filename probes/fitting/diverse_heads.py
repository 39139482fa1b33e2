"""Two linear heads that agree on labelled rows and differ elsewhere.

    loss = sum_h  L_h(labelled rows)  +  penalty / 2 |w_h|^2   +   diversity * I(h_1; h_2)

L_h is the log loss of head h with equal weight for both classes, I the mutual information of the two heads' answers on
rows without labels, from their mean joint probabilities (Lee, Yao & Finn 2023, Diversify and disambiguate, arXiv
2202.03418). Labels that two features explain equally well leave open which of them a head reads; the second term makes
the two read different ones, so that where they disagree the labels had said nothing. Fitted by Adam, in float64.

Letters: n labelled rows, u rows without labels, D width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.models.errors import ImprintError

SMALL, TINY = 0.1, 1e-12
"""Norm of initial weights; the least probability of which a logarithm is taken."""


def mutual_information(first: Tensor, second: Tensor) -> Tensor:
    """Of two answers, in nats, from their probabilities ``[u]`` row by row."""
    p, q = torch.stack([first, 1 - first]), torch.stack([second, 1 - second])
    joint = p @ q.T / len(first)
    apart = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return (joint * (joint.clamp(min=TINY).log() - apart.clamp(min=TINY).log())).sum()


def diverse_heads(
    x: Tensor,
    labels: Tensor,
    unlabelled: Tensor,
    *,
    diversity: float,
    rng: torch.Generator,
    penalty: float = 1e-2,
    steps: int = 300,
    learning_rate: float = 0.05,
) -> tuple[Tensor, Tensor]:
    """Weights ``[D, 2]`` and biases ``[2]`` of the heads' log-odds.

    ``x`` ``[n, D]``, ``labels`` bool ``[n, 2]``, one column per head (two noisy answers to one question, or the same
    twice); ``unlabelled`` ``[u, D]``; ``diversity`` 0: two logistic regressions. Raises :class:`ImprintError` for
    shapes that do not fit, or labels of one class.
    """
    if x.dim() != 2 or labels.shape != (len(x), 2) or unlabelled.dim() != 2 or unlabelled.shape[1] != x.shape[1]:
        raise ImprintError(
            f"x is {list(x.shape)}, labels {list(labels.shape)}, unlabelled {list(unlabelled.shape)}; expected "
            "[n, D], [n, 2] and [u, D]."
        )
    share = labels.double().mean(0)
    if not len(unlabelled) or not bool(((share > 0) & (share < 1)).all()):
        raise ImprintError(f"parts of labels that are true are {share.tolist()}; expected both classes, and rows.")
    mean, scale = x.double().mean(0), x.double().std(0).clamp(min=1e-9).reciprocal()
    z, free = (x.double() - mean) * scale, (unlabelled.double() - mean) * scale
    truth = labels.double()
    balance = torch.where(labels, 0.5 / share, 0.5 / (1 - share))
    with torch.enable_grad():
        weight = torch.randn(x.shape[1], 2, generator=rng, dtype=torch.float64) * SMALL / x.shape[1] ** 0.5
        weight, bias = weight.requires_grad_(), torch.zeros(2, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.Adam([weight, bias], lr=learning_rate)
        for _ in range(steps):
            fit = F.binary_cross_entropy_with_logits(z @ weight + bias, truth, weight=balance, reduction="none")
            answers = torch.sigmoid(free @ weight + bias)
            shared = mutual_information(answers[:, 0], answers[:, 1])
            loss = fit.mean(0).sum() + penalty / 2 * weight.square().sum() + diversity * shared
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    raw = weight.detach() * scale[:, None]
    return raw, bias.detach() - mean @ raw
