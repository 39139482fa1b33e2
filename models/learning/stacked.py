"""Many seeds of one module trained as one: parameters with a leading seed axis, one optimiser, one state per seed.

``torch.func`` runs the module for all seeds at once, the loss is the sum of the seeds' losses, and Adam acts element by
element: what one seed learns never reaches another. A seed whose numbers stop being finite is struck out: its
parameters become zero, it learns nothing more, and :attr:`Stacked.alive` says so; the others go on with the same bits.

A module says by class attributes how it runs: ``stacks = True``, its methods take stacked parameters and arguments as
they are; ``stackable = False``, it can only run by itself, in a stack of one; otherwise ``torch.func.vmap`` is used.

Letters: S seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

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
    have in a checkpoint. Raises :class:`TypeError` for modules with buffers, unless they run by themselves.
    """

    def __init__(
        self, modules: Sequence[nn.Module], *, keys: tuple[str, str] = ("{}", "optimiser.{}/{}"), **adam: Any
    ) -> None:
        self.modules, self.keys = list(modules), keys
        self.alive = torch.ones(len(modules), dtype=torch.bool)
        self.single = not getattr(modules[0], "stackable", True)
        if self.single:
            (module,) = modules
            self.parameters: dict[str, Tensor] = dict(module.named_parameters())
        else:
            values, buffers = stack_module_state(self.modules)
            if buffers:
                raise TypeError(
                    f"{type(modules[0]).__name__} has buffers {sorted(buffers)}; stacked modules have none."
                )
            self.parameters = {name: value.detach().requires_grad_(True) for name, value in values.items()}
        self.optimiser = torch.optim.Adam(list(self.parameters.values()), **{"fused": True, **adam})

    def call(self, *arguments: Tensor, method: str = "__call__") -> Any:
        """``method`` of every module on its own arguments ``[S, ...]``: a tensor or named tuple, leading with S."""
        if self.single:
            result = getattr(self.modules[0], method)(*(value[0] for value in arguments))
            return type(result)(*(value[None] for value in result))

        def run(parameters: dict[str, Tensor], *arguments: Tensor) -> Any:
            named = {f"module.{name}": value for name, value in parameters.items()}
            return functional_call(_Method(self.modules[0]), named, (method, *arguments))

        return (run if getattr(self.modules[0], "stacks", False) else vmap(run))(self.parameters, *arguments)

    def backward(self, loss: Tensor) -> list[Tensor]:
        """Gradients ``[S, ...]`` of the seeds' losses ``[S]``, which the optimiser then uses as they are."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()
        return [self._leading(leaf.grad) for leaf in self.parameters.values() if leaf.grad is not None]

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

    def strike_out(self, healthy: Tensor, values: Iterable[Tensor]) -> None:
        """Strike out seeds that are not ``healthy``, bool ``[S]``; their part of ``values`` ``[S, ...]`` becomes 0."""
        self.alive &= healthy
        if not bool(self.alive.all()):
            for value in values:
                value[~self.alive] = 0.0

    def strike_out_broken(self, *, moments: bool = False) -> None:
        """Strike out seeds whose parameters are not all finite; the optimiser's moments too, if asked."""
        values = [self._leading(leaf) for leaf in self.parameters.values()]
        finite = torch.stack([torch.isfinite(value).flatten(1).all(1) for value in values]).all(0)
        if moments:
            values += [self._leading(value) for _, key, value in self._moments() if key != "step"]
        self.strike_out(finite, values)

    # -- one seed ------------------------------------------------------------------------------------------------

    def _leading(self, value: Tensor) -> Tensor:
        """A view with the seeds along its first axis."""
        return value.detach()[None] if self.single else value.detach()

    def _moments(self) -> list[tuple[str, str, Tensor]]:
        """Name of the parameter, name of the moment, and the moment; none before the first step."""
        return [
            (name, key, value)
            for name, leaf in self.parameters.items()
            for key, value in self.optimiser.state.get(leaf, {}).items()
        ]

    def member(self, seed: int) -> dict[str, Tensor]:
        """Views on one seed's parameters."""
        return {name: self._leading(leaf)[seed] for name, leaf in self.parameters.items()}

    def unstack(self) -> list[Any]:
        """The modules with the parameters they have learned, in evaluation mode."""
        for seed, module in enumerate(self.modules):
            module.load_state_dict(self.member(seed), strict=False)
        return [module.eval() for module in self.modules]

    def state(self, seed: int) -> dict[str, Tensor]:
        """One seed's parameters and optimiser moments, and whether it is ``alive``, for a checkpoint."""
        parameter, moment = self.keys
        state = {parameter.format(name): value.clone() for name, value in self.member(seed).items()}
        for name, key, value in self._moments():
            state[moment.format(name, key)] = (value if key == "step" else self._leading(value)[seed]).clone()
        return {**state, "alive": self.alive[seed].clone()}

    def load(self, states: Sequence[dict[str, Tensor]]) -> None:
        """Put back what :meth:`state` gave, all seeds of the same age."""
        parameter, moment = self.keys
        self.alive = torch.stack([state["alive"] for state in states])
        self.optimiser.state.clear()
        for name, leaf in self.parameters.items():
            self._leading(leaf).copy_(torch.stack([state[parameter.format(name)] for state in states]))
            for key in MOMENTS:
                if (entry := moment.format(name, key)) in states[0]:
                    values = [state[entry] for state in states]
                    whole = values[0].clone() if key == "step" else torch.stack(values).view_as(leaf)
                    self.optimiser.state[leaf][key] = whole
