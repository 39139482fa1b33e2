"""Torch modules as policies: observations ``[n, ...]`` -> logits of the actions, or the action itself.

    Discrete        logits [n, A]                        the largest, or drawn
    MultiDiscrete   logits [n, sum of sizes]             the same for each part
    MultiBinary     logits [n, A] of single switches     positive, or drawn
    Box             the action [n, ...], cut to bounds

A module that returns a pair gives logits and, second, the critic's value ``[n]``. Logits are drawn from by the largest
of logits plus Gumbel noise.

What is known is erased where it enters the last linear layer before the logits, or at the module that is named.

Letters: n copies, A actions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imprint.models.errors import ImprintError, unknown_name
from imprint.probes.players.base import Player, Seen, Tap, fitting, seeded, stacked
from imprint.probes.subjects.guards import require_evaluation, require_no_hooks

NO_VALUE = (
    "What the module returns beside its logits is no number per observation, so it was left out; a memory is not "
    "carried from step to step."
)


class NetworkPlayer(Player):
    """A ``torch.nn.Module`` that acts."""

    def __init__(self, model: nn.Module, action_space: Any, sample: Any, *, greedy: bool, site: str | None) -> None:
        """``sample``: a few observations of the environment, on which the module is tried."""
        self.model, self.action_space, self.greedy = model, action_space, greedy
        require_evaluation(model)
        require_no_hooks(model)
        parameter = next(model.parameters(), None)
        self._to = (torch.device("cpu"), torch.float32) if parameter is None else (parameter.device, parameter.dtype)
        self._seen: Seen | None = None
        self.acting = self._named(site) if site is not None else self._before_logits(sample)
        self.taps = () if self.acting is None else (self.acting,)
        logits, value = self._both(sample)
        self.has_value = value is not None
        last = {k: v[-1:] for k, v in sample.items()} if isinstance(sample, dict) else sample[-1:]
        if not torch.allclose(logits[-1:], self._both(last)[0], rtol=1e-3, atol=1e-5, equal_nan=True):
            raise ImprintError(
                f"{self.name} gives other logits for an observation alone than beside others. Look for chance, and for "
                "a recurrent module that takes rows for time steps; a policy with a memory is a function with reset()."
            )

    @property
    def name(self) -> str:
        """Its class."""
        return type(self.model).__name__

    def act(self, seen: Seen) -> NDArray[Any]:
        """The likeliest actions, or drawn ones."""
        from gymnasium import spaces

        logits, space, n = self._run(seen), self.action_space, len(seen.observations)
        if isinstance(space, spaces.Box):
            return fitting(logits.reshape(n, *space.shape).numpy(), space, self.name)
        if isinstance(space, spaces.MultiBinary):
            chance = torch.rand(logits.shape, generator=seeded(seen.noise))
            switched = logits > 0 if self.greedy else chance < logits.sigmoid()
            return fitting(switched.numpy(), space, self.name)
        if not self.greedy:
            chance = torch.rand(logits.shape, generator=seeded(seen.noise)).clamp(2.0**-25, 1 - 2.0**-25)
            logits = logits - torch.log(-torch.log(chance))
        if isinstance(space, spaces.Discrete):
            allowed = logits if seen.masks is None else logits.masked_fill(~torch.from_numpy(seen.masks), -torch.inf)
            return fitting(allowed.argmax(1).numpy() + int(space.start), space, self.name)
        parts = logits.split([int(size) for size in space.nvec.ravel()], dim=1)
        return fitting(torch.stack([part.argmax(1) for part in parts], 1).numpy(), space, self.name)

    def value(self, seen: Seen) -> NDArray[np.float32]:
        """What the module returned second."""
        value = self._both(stacked(seen.observations))[1]
        return super().value(seen) if value is None else value.reshape(len(seen.observations)).float().cpu().numpy()

    def logits(self, seen: Seen) -> NDArray[np.float32] | None:
        """Of a discrete policy."""
        from gymnasium import spaces

        return self._run(seen).numpy() if isinstance(self.action_space, spaces.Discrete) else None

    def _run(self, seen: Seen) -> Tensor:
        return self._both(stacked(seen.observations))[0].detach().flatten(1).float().cpu()

    def _both(self, observations: Any) -> tuple[Tensor, Tensor | None]:
        """Logits and, where there is one, the value."""
        from gymnasium import spaces

        n = len(next(iter(observations.values()))) if isinstance(observations, dict) else len(observations)
        try:
            given = (
                {k: self._tensor(v) for k, v in observations.items()}
                if isinstance(observations, dict)
                else self._tensor(observations)
            )
        except TypeError as error:
            raise ImprintError(f"observations cannot be given to a module: {error}. Wrap the environment.") from error
        assert self.model is not None
        try:
            with torch.no_grad():
                out = self.model(given)
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, NotImplementedError) as error:
            shape = {k: list(v.shape) for k, v in given.items()} if isinstance(given, dict) else list(given.shape)
            raise ImprintError(
                f"{self.name} raised {type(error).__name__} for observations {shape}: {error}. A module is called with "
                "a batch of observations and returns logits [n, actions]; wrap yours in one that does."
            ) from error
        first, value = out if isinstance(out, tuple | list) and len(out) == 2 else (out, None)
        space = self.action_space
        if isinstance(space, spaces.Discrete):
            width = int(space.n)
        else:
            width = int(space.nvec.sum()) if isinstance(space, spaces.MultiDiscrete) else int(np.prod(space.shape))
        if not isinstance(first, Tensor) or first.numel() != n * width or len(first) != n:
            got = list(first.shape) if isinstance(first, Tensor) else type(first).__name__
            raise ImprintError(f"{self.name} returned {got} for {n} observations; expected [{n}, {width}] for {space}.")
        if value is not None and (not isinstance(value, Tensor) or value.numel() != n):
            self.notes = tuple(dict.fromkeys((*self.notes, NO_VALUE)))
            value = None
        return first, value

    def _tensor(self, x: NDArray[Any]) -> Tensor:
        tensor = torch.as_tensor(x)
        device, kind = self._to
        embeds = any(isinstance(module, nn.Embedding) for module in self.model.modules())  # type: ignore[union-attr]
        whole = not tensor.is_floating_point()
        return tensor.to(device, torch.int64 if whole and embeds else kind if kind.is_floating_point else tensor.dtype)

    def _named(self, site: str) -> Tap:
        names = [name for name, _ in self.model.named_modules() if name]  # type: ignore[union-attr]
        if site not in names:
            raise unknown_name("module of the policy", site, names)
        return Tap(site)

    def _before_logits(self, sample: Any) -> Tap | None:
        """What enters the linear layer that gives the logits; None when no such layer is found."""
        outputs: dict[str, Any] = {}
        handles = [
            module.register_forward_hook(lambda _m, _i, out, name=name: outputs.update({name: out}))
            for name, module in self.model.named_modules()  # type: ignore[union-attr]
            if isinstance(module, nn.Linear)
        ]
        try:
            logits = self._both(sample)[0]
        finally:
            for handle in handles:
                handle.remove()
        given = [name for name, out in outputs.items() if out.shape == logits.shape and torch.equal(out, logits)]
        if given:
            return Tap(given[-1], entering=True)
        self.notes = (
            *self.notes,
            "No linear layer gives the logits as they are, so nothing was erased; name the module with site=.",
        )
        return None
