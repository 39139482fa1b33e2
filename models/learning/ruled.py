"""Layered learners that train together by a learning rule of their own (:mod:`imprint.models.rules.base`).

What a rule asks for takes the place of the gradient; Adam, which acts weight by weight, does the rest, so that rules
differ in nothing else. Hooks are not run within the rule's own passes.

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.models.learners.base import Layered, Learner, Taught
from imprint.models.learning.cohort import Cohort
from imprint.models.rules.base import Network, Rule
from imprint.models.store import part_of, with_prefix


class RuledCohort(Cohort):
    """S layered learners, their rule and their optimiser."""

    def __init__(self, learners: Sequence[Learner], learning_rate: float, rule: Rule, seeds: Sequence[int]) -> None:
        super().__init__(learners, learning_rate)
        if not isinstance(learners[0], Layered):
            raise ImprintError(f"{type(learners[0]).__name__} is no chain of layers, which this learning rule needs.")
        self.learner, self.rule = learners[0], rule
        rule.start(self.network.widths, seeds)

    @property
    def network(self) -> Network:
        """The learners' weights as they are now."""
        weights, biases = (
            [self.parameters[f"{name}.{kind}"].detach() for name in self.learner.chain] for kind in ("weight", "bias")
        )
        return Network(weights, biases)

    def learn(
        self, observation: Tensor, pressure: Callable[[Tensor], Tensor] | None = None, *, taught: Tensor | None = None
    ) -> Taught:
        """One step on ``[S, n, T, C, H, W]``; losses ``[S]`` and latents ``[S, n, T, D]`` from before it.

        Raises :class:`ImprintError` for ``pressure`` and ``taught``, which are about gradients.
        """
        if pressure is not None or taught is not None:
            raise ImprintError("a rule other than backprop has no gradient that steering could add to or hold back.")
        with torch.no_grad():
            latents = cast(Tensor, self.call(observation))
            flat = observation.flatten(0, 1)
            x, y = (
                values.unflatten(0, observation.shape[:2]).flatten(1, 2)
                for values in (self.learner.inputs(flat)[:, :-1], self.learner.targets(flat))
            )
            changes = self.rule.changes(self.network, x, y)
        asked = zip(self.learner.chain, changes.weights, changes.biases, strict=True)
        for name, weight, bias in asked:
            self.parameters[f"{name}.weight"].grad, self.parameters[f"{name}.bias"].grad = weight, bias
        self.strike_out(torch.isfinite(changes.loss))
        self.optimiser.step()
        self.strike_out(self.finite())
        return Taught(changes.loss, latents)

    def state(self, seed: int) -> dict[str, Tensor]:
        """As for every cohort, and what the rule keeps."""
        return super().state(seed) | with_prefix("rule.", self.rule.state(seed))

    def load(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Put back what :meth:`state` gave, all seeds of the same age."""
        super().load(states)
        for seed, state in enumerate(states):
            self.rule.load(seed, part_of(state, "rule."))
