"""World models of several seeds, grown side by side on their own walks through one interactive world.

A *walk* is an episode of random actions, kept as it was lived: nothing is paid for and nothing is felt but what is seen
and that it ended. Models learn from segments of walks; seed s only ever sees its own walks. Stacked seeds are one
batched program (``torch.func.vmap``); Adam acts element by element, so nothing leaks from one seed to another.

Letters: S seeds, N walks, K steps of a walk, T steps of a segment, n segments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from imprint.models.environments.base import View
from imprint.models.errors import ImprintError
from imprint.models.imagination.walks import Walks
from imprint.models.imagination.world_model import WorldModel


class _Method(nn.Module):
    """Lets ``functional_call`` reach any method of a model with swapped parameters."""

    def __init__(self, model: WorldModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, name: str, *arguments: Tensor) -> Any:
        return getattr(self.model, name)(*arguments)


class WorldModelCohort:
    """S world models and their optimiser."""

    def __init__(
        self, settings: WorldModel.Settings, view: View, births: Sequence[torch.Generator], learning_rate: float
    ) -> None:
        self.view, self.settings = view, settings
        models = [_Method(WorldModel.born(settings, view, rng=rng)) for rng in births]
        stacked, _ = stack_module_state(models)
        self._shell = models[0]
        self.parameters = {name: value.detach().requires_grad_(True) for name, value in stacked.items()}
        self._optimiser = torch.optim.Adam(list(self.parameters.values()), lr=learning_rate, fused=True)

    def call(self, name: str, *arguments: Tensor) -> Any:
        """Method ``name`` of every model on its own arguments ``[S, ...]``; results ``[S, ...]``."""
        return vmap(lambda p, *a: functional_call(self._shell, p, (name, *a)))(self.parameters, *arguments)

    def learn(self, segments: Sequence[Walks]) -> Tensor:
        """One step on one batch of segments per seed; losses ``[S]`` from before the step."""
        self._optimiser.zero_grad(set_to_none=True)
        loss: Tensor = self.call(
            "objective",
            torch.stack([s.observation for s in segments]).float(),
            *(torch.stack([getattr(s, name) for s in segments]) for name in ("action", "ended", "known")),
        )
        if not bool(torch.isfinite(loss).all()):
            raise ImprintError(f"world models diverged: losses are {[round(x, 3) for x in loss.tolist()]}.")
        loss.sum().backward()
        self._optimiser.step()
        return loss.detach()

    def grow(
        self,
        walks: Sequence[Walks],
        updates: int,
        batch: int,
        length: int,
        rngs: Sequence[torch.Generator],
        report: Callable[[int, Tensor], None] | None = None,
    ) -> None:
        """``updates`` steps on ``batch`` random segments of ``length`` steps from each seed's walks.

        The learning rate rises over the first tenth of the updates and then falls linearly to zero.
        """
        highest = [group["lr"] for group in self._optimiser.param_groups]
        for update in range(updates):
            for group, rate in zip(self._optimiser.param_groups, highest, strict=True):
                group["lr"] = rate * min(10 * (update + 1) / updates, (1 - update / updates) / 0.9, 1.0)
            loss = self.learn([w.segments(batch, length, rng=rng) for w, rng in zip(walks, rngs, strict=True)])
            if report is not None:
                report(update, loss)

    def model(self, seed: int) -> WorldModel:
        """One seed's model, a module of its own."""
        model = WorldModel.born(self.settings, self.view, rng=torch.Generator().manual_seed(0))
        prefix = "model."
        model.load_state_dict({k.removeprefix(prefix): v.detach()[seed] for k, v in self.parameters.items()})
        return model.eval()
