"""Predictive coding and backpropagation of FabricPC, on networks and batches that :mod:`benchmarks.rules` gives it.

    PYTHON benchmarks/rules_peer.py ASKED.npz ANSWER.npz

It is run by an interpreter in which ``fabricpc`` (and with it JAX) is installed, and needs nothing of this project.
Of ``ASKED.npz``: ``weights.<l>`` ``[S, d_l, d_{l-1}]``, ``x`` ``[S, n, d_0]``, ``y`` ``[S, n, d_L]``, ``tests``
``[S, n', d_0]``, ``order`` ``[S, epochs, n]`` (rows of every pass as they come), ``batch``, ``rate``, ``settling`` and
``step``. Into ``ANSWER.npz``, for both algorithms: ``<algorithm>.weights.<l>``, ``<algorithm>.prediction``
``[S, n', d_L]`` and ``<algorithm>.cpu``, CPU-seconds of training without compilation.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

ALGORITHMS = ("pc", "backprop")


def graph_of(widths: list[int], settling: int, step: float) -> Any:
    """Linear nodes in a chain, tanh and Gaussian energies, softmax and cross-entropy at the last."""
    from fabricpc.core.activations import SoftmaxActivation, TanhActivation
    from fabricpc.core.energy import CrossEntropyEnergy
    from fabricpc.core.inference import InferenceSGD
    from fabricpc.core.topology import Edge
    from fabricpc.graph_assembly import TaskMap, graph
    from fabricpc.nodes import Linear

    last = {"activation": SoftmaxActivation(), "energy": CrossEntropyEnergy()}
    kinds = [{}, *[{"activation": TanhActivation()}] * (len(widths) - 2), last]
    nodes = [Linear(shape=(d,), name=f"layer{i}", **kinds[i]) for i, d in enumerate(widths)]
    edges = [Edge(source=low, target=up.slot("in")) for low, up in pairwise(nodes)]
    inference = InferenceSGD(eta_infer=step, infer_steps=settling)
    return graph(nodes=nodes, edges=edges, task_map=TaskMap(x=nodes[0], y=nodes[-1]), inference=inference)


def started(structure: Any, weights: list[Any]) -> Any:
    """Parameters of one network: these weights, and biases of zero."""
    import jax
    from fabricpc.graph_initialization import initialize_params

    born, rest = initialize_params(structure, jax.random.PRNGKey(0)), iter(weights)
    return jax.tree_util.tree_map(lambda leaf: jax.numpy.asarray(next(rest).T) if len(leaf) > 1 else leaf, born)


def learned(asked: Mapping[str, Any], seed: int, algorithm: str) -> tuple[list[Any], Any, float]:
    """Weights, predictions and CPU-seconds of one network."""
    import jax
    import optax
    from fabricpc.training.trainer import make_train_step

    layers = [asked[f"weights.{i}"][seed] for i in range(sum(name.startswith("weights.") for name in asked))]
    widths = [layers[0].shape[1], *(weight.shape[0] for weight in layers)]
    structure = graph_of(widths, int(asked["settling"]), float(asked["step"]))
    optimiser, first = optax.sgd(float(asked["rate"])), started(structure, layers)
    step, key = make_train_step(structure, optimiser, algorithm=algorithm), jax.random.PRNGKey(0)
    x, y, size = asked["x"][seed], asked["y"][seed], int(asked["batch"])
    batches = [rows for epoch in asked["order"][seed] for rows in np.split(epoch, range(size, len(epoch), size))]
    for rows in {len(each): each for each in batches}.values():  # compile for every size
        jax.block_until_ready(step(first, optimiser.init(first), {"x": x[rows], "y": y[rows]}, key))
    params, state, begin = first, optimiser.init(first), time.process_time()
    for rows in batches:
        params, state, *_ = step(params, state, {"x": x[rows], "y": y[rows]}, key)
    jax.block_until_ready(params)
    spent = time.process_time() - begin
    leaves = [np.asarray(leaf) for leaf in jax.tree_util.tree_leaves(params)]
    return [w.T for w in leaves if w.shape[0] > 1], predicted(leaves, asked["tests"][seed]), spent


def predicted(leaves: list[Any], x: Any) -> Any:
    """What the last layer is driven by, which the softmax keeps in order."""
    biases, weights = ([leaf for leaf in leaves if (leaf.shape[0] > 1) == matrix] for matrix in (False, True))
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        x = x @ weight + bias
        x = np.tanh(x) if index < len(weights) - 1 else x
    return x


def main() -> None:
    """Train every network with both algorithms."""
    asked = dict(np.load(sys.argv[1]))
    answer: dict[str, Any] = {}
    for algorithm in ALGORITHMS:
        each = [learned(asked, seed, algorithm) for seed in range(len(asked["x"]))]
        answer[f"{algorithm}.prediction"] = np.stack([prediction for _, prediction, _ in each])
        answer[f"{algorithm}.cpu"] = np.array(sum(spent for *_, spent in each))
        for index, layers in enumerate(zip(*(weights for weights, *_ in each), strict=True)):
            answer[f"{algorithm}.weights.{index}"] = np.stack(layers)
    np.savez(sys.argv[2], **answer)


if __name__ == "__main__":
    main()
