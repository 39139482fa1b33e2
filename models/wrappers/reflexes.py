"""A body that acts before its learner: an interactive world in which reflexes take over the moments they fire in.

To the learner the world is the same, with a body that sometimes moves by itself: its own action is then without effect,
and what it learns from such a moment is noise without bias. Whether the learner or the steering side is lesioned can so
be told apart from outside: without reflexes there is the learner alone; a learner without weights leaves the reflexes.

:meth:`imprint.models.setup.agent.AgentSetup.make_environment` gives every setup with a reflex such a body, so that it
acts in training as in examination.

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
    """Mixed into the class of a world."""

    reflexes: tuple[Reflex, ...] = ()

    def follow(self, state: State, action: Tensor) -> Outcome:
        return super().follow(state, impelled(self, self.reflexes, state, action))


def impelled(environment: Environment, reflexes: Sequence[Reflex], state: State, action: Tensor) -> Tensor:
    """What the body does, int64 ``[n]``: the action of the first reflex that fires, otherwise ``action``.

    Reflexes read the senses of the moment, as after a step that has led to ``state``.
    """
    felt, body = environment.senses(state, action, state), Body(environment.body(state))
    done = torch.full_like(action, -1)
    for reflex in reflexes:
        done = torch.where(done < 0, reflex.act(felt, body), done)
    return torch.where(done < 0, action, done)


def embodied(environment: Environment, signals: Sequence[Signal]) -> Environment:
    """``environment`` with the reflexes among ``signals`` wired to its body; itself when there are none."""
    reflexes = tuple(signal for signal in signals if isinstance(signal, Reflex))
    if not reflexes:
        return environment
    for reflex in reflexes:
        assert isinstance(reflex.settings, Reflex.Settings)
        if (most := max(reflex.settings.actions.values())) >= len(environment.actions):
            raise ImprintError(
                f"reflex {reflex.settings.name!r} triggers action {most}; {type(environment).__name__} has actions 0 "
                f"to {len(environment.actions) - 1} ({', '.join(environment.actions)})."
            )
    made = type(f"Embodied{type(environment).__name__}", (_Embodied, type(environment)), {"reflexes": reflexes})
    one: Environment = made(environment.settings, copies=environment.num_envs, design=environment.design)
    return one
