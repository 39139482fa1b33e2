"""An environment in which reflexes replace the agent's action in the steps in which they fire.

To the agent the environment is the same, except that its own action sometimes has no effect; such steps add noise
without bias to what it learns. The contributions of agent and reflexes can be told apart by lesions: without reflexes
the agent acts alone; an agent with zero weights leaves the reflexes.

:meth:`imprint.models.setup.agent.AgentSetup.make_environment` wraps the environment of every setup with a reflex, in
training as in examination.

Letters: n copies.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from imprint.models.environments.base import Environment, Outcome
from imprint.models.errors import ImprintError
from imprint.models.states import State
from imprint.models.steering.base import Body, Signal
from imprint.models.steering.reflex import Reflex


class _Embodied(Environment):
    """Mixed into the class of an environment."""

    reflexes: tuple[Reflex, ...] = ()

    def follow(self, state: State, action: Tensor) -> Outcome:
        return super().follow(state, impelled(self, self.reflexes, state, action))


def impelled(environment: Environment, reflexes: Sequence[Reflex], state: State, action: Tensor) -> Tensor:
    """The action that is carried out, int64 ``[n]``: that of the first reflex that fires, otherwise ``action``.

    Reflexes read the senses of ``state``, as after a step that has led to it.
    """
    senses, body = environment.senses(state, action, state), Body(environment.body(state))
    reaction = torch.full_like(action, -1)
    for reflex in reflexes:
        reaction = torch.where(reaction < 0, reflex.act(senses, body), reaction)
    return torch.where(reaction < 0, action, reaction)


def embodied(environment: Environment, signals: Sequence[Signal]) -> Environment:
    """``environment`` with the reflexes among ``signals`` acting in it; itself when there are none."""
    reflexes = tuple(signal for signal in signals if isinstance(signal, Reflex))
    if not reflexes:
        return environment
    for reflex in reflexes:
        if (most := max(reflex.settings.actions.values())) >= len(environment.actions):
            raise ImprintError(
                f"reflex {reflex.settings.name!r} triggers action {most}; {type(environment).__name__} has actions 0 "
                f"to {len(environment.actions) - 1} ({', '.join(environment.actions)})."
            )
    cls = type(f"Embodied{type(environment).__name__}", (_Embodied, type(environment)), {"reflexes": reflexes})
    wrapped: Environment = cls(environment.settings, copies=environment.num_envs, design=environment.design)
    return wrapped
