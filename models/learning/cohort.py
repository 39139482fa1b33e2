"""A cohort: several learners of one kind, born from different seeds, growing up together.

When the learner allows it (``stackable``), the seeds' parameters are stacked along a leading axis and every step is one
batched program through ``torch.func.vmap``; otherwise the learners take turns. Either way seed s only ever sees its own
experience, and Adam acts element by element, so nothing leaks from one seed to another.

A seed whose loss or parameters stop being finite is struck out: its parameters become zero, it learns nothing more, and
:attr:`alive` says so. The others go on with the same bits.

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from imprint.models.learners.base import Learner, Taught


class _Objective(torch.nn.Module):
    """Lets ``functional_call`` reach ``objective`` with swapped parameters."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, observation: Tensor) -> Taught:
        return self.learner.objective(observation)


class Cohort:
    """S learners and their optimiser."""

    def __init__(self, learners: Sequence[Learner], learning_rate: float) -> None:
        self.alive = torch.ones(len(learners), dtype=torch.bool)
        self._objectives = [_Objective(learner) for learner in learners]
        self.stacked = learners[0].stackable
        if self.stacked:
            parameters, buffers = stack_module_state(self._objectives)
            if buffers:
                raise TypeError(
                    f"{type(learners[0]).__name__} has buffers {sorted(buffers)}; stackable learners have none."
                )
            self._parameters = {name: value.detach().requires_grad_(True) for name, value in parameters.items()}
            groups = list(self._parameters.values())
            self._optimisers = [torch.optim.Adam(groups, lr=learning_rate, fused=True)]
        else:
            self._optimisers = [
                torch.optim.Adam(o.parameters(), lr=learning_rate, fused=True) for o in self._objectives
            ]

    @property
    def learners(self) -> list[Learner]:
        """The learners as modules (for stacked seeds: shells whose parameters live in the stack)."""
        return [objective.learner for objective in self._objectives]

    def learn(self, observation: Tensor) -> Taught:
        """One step on ``[S, n, T, C, H, W]``.

        Returns losses ``[S]`` and latents ``[S, n, T, D]`` from before the step.
        """
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none=True)
        if self.stacked:
            shell = self._objectives[0]
            taught = vmap(lambda p, x: functional_call(shell, p, (x,)))(self._parameters, observation)
            loss, latents = taught
        else:
            each = [o(x) for o, x in zip(self._objectives, observation, strict=True)]
            loss, latents = torch.stack([t.loss for t in each]), torch.stack([t.latents for t in each])
        loss.sum().backward()
        self.alive &= torch.isfinite(loss.detach())
        self._strike()
        for optimiser in self._optimisers:
            optimiser.step()
        self.alive &= self._finite()
        self._strike()
        return Taught(loss.detach(), latents.detach())

    def _finite(self) -> Tensor:
        if self.stacked:
            return torch.stack([torch.isfinite(p.detach()).flatten(1).all(1) for p in self._parameters.values()]).all(0)
        return torch.stack(
            [torch.stack([torch.isfinite(p).all() for p in o.parameters()]).all() for o in self._objectives]
        )

    def _strike(self) -> None:
        for seed in torch.nonzero(~self.alive).flatten().tolist():
            with torch.no_grad():
                for name, value in self.parameters(seed).items():
                    value.zero_()
                    if (gradient := self._gradient(seed, name)) is not None:
                        gradient.zero_()

    def _gradient(self, seed: int, name: str) -> Tensor | None:
        whole = (
            self._parameters[name].grad if self.stacked else dict(self._objectives[seed].named_parameters())[name].grad
        )
        return None if whole is None else whole[seed] if self.stacked else whole

    def parameters(self, seed: int) -> dict[str, Tensor]:
        """Views on one seed's parameters."""
        if self.stacked:
            return {name: value.detach()[seed] for name, value in self._parameters.items()}
        return {name: value.detach() for name, value in self._objectives[seed].named_parameters()}

    def state(self, seed: int) -> dict[str, Tensor]:
        """One seed's parameters and optimiser moments, for a checkpoint."""
        state = {name: value.clone() for name, value in self.parameters(seed).items()}
        for key, value in self._moments(seed).items():
            state[f"optimiser.{key}"] = value.clone()
        return {**state, "alive": self.alive[seed].clone()}

    def _moments(self, seed: int) -> dict[str, Tensor]:
        """Views on one seed's Adam state, ``<parameter>/<moment>``; empty at birth."""
        names = list(self.parameters(seed))
        optimiser = self._optimisers[0 if self.stacked else seed]
        out: dict[str, Tensor] = {}
        for name, parameter in zip(names, optimiser.param_groups[0]["params"], strict=True):
            for key, value in optimiser.state.get(parameter, {}).items():
                out[f"{name}/{key}"] = value if value.ndim == 0 or not self.stacked else value[seed]
        return out

    def load(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Put back what :meth:`state` gave, all seeds of the same age."""
        for optimiser_index, optimiser in enumerate(self._optimisers):
            seeds = range(len(states)) if self.stacked else [optimiser_index]
            self._load_moments(optimiser, [states[s] for s in seeds])
        for seed, state in enumerate(states):
            self.alive[seed] = state["alive"]
            with torch.no_grad():
                for name, value in self.parameters(seed).items():
                    value.copy_(state[name])

    def _load_moments(self, optimiser: torch.optim.Optimizer, states: Sequence[dict[str, Tensor]]) -> None:
        names = list(self.parameters(0))
        moments: dict[Tensor, dict[str, Any]] = {}
        for name, parameter in zip(names, optimiser.param_groups[0]["params"], strict=True):
            prefix = f"optimiser.{name}/"
            keys = [key[len(prefix) :] for key in states[0] if key.startswith(prefix)]
            for key in keys:
                values = [state[prefix + key] for state in states]
                whole = values[0].clone() if key == "step" or not self.stacked else torch.stack(values)
                moments.setdefault(parameter, {})[key] = whole
        optimiser.state.clear()
        optimiser.state.update(moments)
