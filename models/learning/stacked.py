"""Many seeds of one module trained as one: parameters with a leading seed axis, one optimiser, one state per seed.

``torch.func`` runs the module for all seeds at once, the loss is the sum of the seeds' losses, and Adam acts element by
element: what one seed learns never reaches another. A seed whose numbers stop being finite is struck out: its
parameters become zero, it learns nothing more, and :attr:`Stacked.alive` says so; the others go on with the same bits.

A module says by class attributes how it runs: ``stacks = True``, its methods take stacked parameters and arguments as
they are; ``stackable = False``, seeds take turns, each with its own parameters; otherwise ``torch.func.vmap`` is used.

Letters: S seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import EllipsisType
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from imprint.models.store import model_hash

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""State that Adam keeps per parameter; ``step`` is one number for all seeds."""


class _Method(nn.Module):
    """Lets ``functional_call`` reach any method of a module."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, method: str, *arguments: Tensor) -> Any:
        return getattr(self.module, method)(*arguments)


class Stacked:
    """S modules of one architecture and their optimiser, a fused Adam unless ``adam`` says otherwise.

    ``keys`` are the names that a parameter (of its name) and an optimiser moment (of the parameter's name and its own)
    have in a checkpoint. Raises :class:`TypeError` for modules with buffers, unless they take turns.
    """

    def __init__(
        self, modules: Sequence[nn.Module], *, keys: tuple[str, str] = ("{}", "optimiser.{}/{}"), **adam: Any
    ) -> None:
        self.modules, self.keys = list(modules), keys
        self.alive = torch.ones(len(modules), dtype=torch.bool)
        self.turns = not getattr(modules[0], "stackable", True)
        self.parameters: dict[str, Tensor] = {}
        """Stacked parameters ``[S, ...]``; none when seeds take turns."""
        if not self.turns:
            values, buffers = stack_module_state(self.modules)
            if buffers:
                raise TypeError(f"{type(modules[0]).__name__} has buffers {sorted(buffers)}; expected none.")
            self.parameters = {name: value.detach().requires_grad_(True) for name, value in values.items()}
        own = [parameter for module in modules for parameter in module.parameters()]
        leaves = own if self.turns else list(self.parameters.values())
        self.optimiser = torch.optim.Adam(leaves, **{"fused": True, **adam})

    def call(self, *arguments: Tensor, method: str = "__call__") -> Any:
        """``method`` of every module on its own arguments ``[S, ...]``: a tensor or named tuple, leading with S."""
        if self.turns:
            rows = zip(*arguments, strict=True)
            results = [getattr(module, method)(*row) for module, row in zip(self.modules, rows, strict=True)]
            return type(results[0])(*(torch.stack(values) for values in zip(*results, strict=True)))

        def run(parameters: dict[str, Tensor], *arguments: Tensor) -> Any:
            named = {f"module.{name}": value for name, value in parameters.items()}
            return functional_call(_Method(self.modules[0]), named, (method, *arguments))

        return (run if getattr(self.modules[0], "stacks", False) else vmap(run))(self.parameters, *arguments)

    def backward(self, loss: Tensor) -> None:
        """Gradients of the seeds' losses ``[S]``."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()

    def step(self, loss: Tensor) -> Tensor:
        """One step of the optimiser down the losses ``[S]``, which are given back without their graph."""
        self.backward(loss)
        self.optimiser.step()
        return loss.detach()

    def set_learning_rate(self, rate: float) -> None:
        """Learning rate of the steps to come."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    # -- seeds that diverge --------------------------------------------------------------------------------------

    def finite(self) -> Tensor:
        """Whether all parameters of a seed are finite, bool ``[S]``."""
        if self.turns:
            seeds = [module.parameters() for module in self.modules]
            return torch.stack([torch.stack([value.isfinite().all() for value in own]).all() for own in seeds])
        leaves = [leaf.detach().reshape(len(leaf), -1) for leaf in self.parameters.values()]
        sums = torch.stack([leaf.sum(1) for leaf in leaves]).isfinite().all(0)
        if bool(sums.all()):  # a sum with anything in it that is not finite is not finite either
            return sums
        return torch.stack([leaf.isfinite().all(1) for leaf in leaves]).all(0)

    def strike_out(self, healthy: Tensor, *, parameters: bool = True, moments: bool = False) -> None:
        """Strike out seeds that are not ``healthy``, bool ``[S]``.

        The gradients of all that were ever struck out become zero and, if asked, parameters and optimiser moments.
        """
        self.alive &= healthy
        for seed in torch.nonzero(~self.alive).flatten().tolist():
            for _, leaf, index in self._leaves(seed):
                values = [] if leaf.grad is None else [leaf.grad]
                values += [leaf.detach()] if parameters else []
                values += [v for key, v in self.optimiser.state.get(leaf, {}).items() if moments and key != "step"]
                for value in values:
                    value[index] = 0.0

    # -- one seed ------------------------------------------------------------------------------------------------

    def _leaves(self, seed: int) -> Iterator[tuple[str, Tensor, int | EllipsisType]]:
        """Name of each parameter, the leaf that holds it, and its place in the leaf."""
        if self.turns:
            return ((name, leaf, ...) for name, leaf in self.modules[seed].named_parameters())
        return ((name, leaf, seed) for name, leaf in self.parameters.items())

    def member(self, seed: int) -> dict[str, Tensor]:
        """Views on one seed's parameters."""
        return {name: leaf.detach()[index] for name, leaf, index in self._leaves(seed)}

    def unstack(self) -> list[Any]:
        """The modules with the parameters they have learned, in evaluation mode."""
        for seed, module in enumerate(self.modules):
            module.load_state_dict(self.member(seed), strict=False)
        return [module.eval() for module in self.modules]

    def digest(self, seed: int) -> str:
        """SHA-256 of one seed's network as it is now (:func:`imprint.models.store.model_hash`)."""
        module = self.modules[seed]
        module.load_state_dict(self.member(seed), strict=False)
        return model_hash(module)

    def state(self, seed: int) -> dict[str, Tensor]:
        """One seed's parameters and optimiser moments, and whether it is ``alive``, for a checkpoint."""
        (parameter, moment), state = self.keys, {"alive": self.alive[seed].clone()}
        for name, leaf, index in self._leaves(seed):
            state[parameter.format(name)] = leaf.detach()[index].clone()
            for key, value in self.optimiser.state.get(leaf, {}).items():
                state[moment.format(name, key)] = (value if key == "step" else value[index]).clone()
        return state

    def load(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Put back what :meth:`state` gave, all seeds of the same age."""
        parameter, moment = self.keys
        self.alive = torch.stack([state["alive"] for state in states])
        self.optimiser.state.clear()
        for seed, state in enumerate(states):
            for name, leaf, index in self._leaves(seed):
                leaf.detach()[index] = state[parameter.format(name)]
                for key in MOMENTS:
                    if (entry := moment.format(name, key)) in state:
                        whole = torch.zeros(()) if key == "step" else torch.zeros_like(leaf)
                        whole = self.optimiser.state[leaf].setdefault(key, whole)
                        whole[... if key == "step" else index] = state[entry]
