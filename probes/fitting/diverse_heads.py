"""Two heads that agree on labelled rows and differ elsewhere.

    loss = sum_h  L_h(labelled rows)  +  penalty / 2 |w_h|^2   +   diversity * I(h_1; h_2)

L_h is the log loss of head h with equal weight for both classes, I the mutual information of the two heads' answers on
rows without labels, from their mean joint probabilities (Lee, Yao & Finn 2023, Diversify and disambiguate, arXiv
2202.03418). Labels that two features explain equally well leave open which of them a head reads; the second term makes
the two read different ones, so that where they disagree the labels had said nothing. A head that says the same of
every row has no information to share either: see whether both are still right where there were labels. Fitted by Adam,
in float64, from small weights; columns that are constant but for rounding are left out.

Letters: n labelled rows, u rows without labels, D width, H hidden units.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.fitting.least_squares import FLAT

SMALL = 0.1
"""Size of initial weights of the last layer, in those that keep the spread of what comes in."""
TINY = 1e-12
"""Least variance by which a column is divided; least probability of which a logarithm is taken."""


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
    hidden: int = 0,
    penalty: float = 1e-2,
    steps: int = 300,
    learning_rate: float = 0.05,
) -> list[tuple[Tensor, ...]]:
    """Parameters of the log-odds of each head.

    Without ``hidden`` units a head is x . W + b, W ``[D, 1]`` and b ``[1]``; with them it is
    relu(x . W_1 + b_1) . W_2 + b_2, W_1 ``[D, H]``, b_1 ``[H]``, W_2 ``[H, 1]`` and b_2 ``[1]``.

    ``x`` ``[n, D]``, ``labels`` bool ``[n, 2]``, one column per head (two noisy answers to one question, or the same
    twice); ``unlabelled`` ``[u, D]``; ``diversity`` 0: two heads that know nothing of each other. Raises
    :class:`ImprintError` for shapes that do not fit, or labels of one class.
    """
    if x.dim() != 2 or labels.shape != (len(x), 2) or unlabelled.dim() != 2 or unlabelled.shape[1] != x.shape[1]:
        raise ImprintError(
            f"x is {list(x.shape)}, labels {list(labels.shape)}, unlabelled {list(unlabelled.shape)}; expected "
            "[n, D], [n, 2] and [u, D]."
        )
    share = labels.double().mean(0)
    if not len(unlabelled) or not bool(((share > 0) & (share < 1)).all()):
        raise ImprintError(f"parts of labels that are true are {share.tolist()}; expected both classes, and rows.")
    mean, variance = x.double().mean(0), x.double().var(0, correction=0)
    flat = variance <= FLAT * (variance + mean.square())
    scale = torch.where(flat, 0.0, variance.clamp(min=TINY).rsqrt())
    z, free, truth = (x.double() - mean) * scale, (unlabelled.double() - mean) * scale, labels.double().T
    balance = torch.where(labels, 0.5 / share, 0.5 / (1 - share)).T
    with torch.enable_grad():
        layers = _born([x.shape[1], hidden, 1] if hidden else [x.shape[1], 1], rng)
        optimiser = torch.optim.Adam(layers, lr=learning_rate)
        for _ in range(steps):
            fit = F.binary_cross_entropy_with_logits(_logits(layers, z), truth, weight=balance, reduction="none")
            answers = torch.sigmoid(_logits(layers, free))
            size = torch.stack([weight.square().sum() for weight in layers[::2]]).sum()
            loss = fit.mean(1).sum() + penalty / 2 * size + diversity * mutual_information(answers[0], answers[1])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    first, offset, *rest = (layer.detach() for layer in layers)
    first = first * scale[:, None]
    offset = offset - mean @ first
    parts = (first, offset, *rest)
    return [tuple(part[head, 0] if k % 2 else part[head] for k, part in enumerate(parts)) for head in range(2)]


def _born(widths: list[int], rng: torch.Generator) -> list[Tensor]:
    """Weights ``[2, in, out]`` and biases ``[2, 1, out]`` of both heads, in turn, layer by layer."""
    layers: list[Tensor] = []
    for before, after in pairwise(widths):
        weight = torch.randn(2, before, after, generator=rng, dtype=torch.float64) / before**0.5
        layers += [weight.requires_grad_(), torch.zeros(2, 1, after, dtype=torch.float64, requires_grad=True)]
    with torch.no_grad():
        layers[-2] *= SMALL
    return layers


def _logits(layers: list[Tensor], z: Tensor) -> Tensor:
    """Log-odds ``[2, rows]`` of ``z`` ``[rows, D]``."""
    out = z @ layers[0] + layers[1]
    for weight, bias in zip(layers[2::2], layers[3::2], strict=True):
        out = torch.relu(out) @ weight + bias
    return out[..., 0]
