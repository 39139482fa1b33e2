"""Which kind of player a policy is followed by."""

from __future__ import annotations

from typing import Any

from torch import nn

from imprint.models.errors import ImprintError
from imprint.probes.players.base import Player
from imprint.probes.players.function import FunctionPlayer
from imprint.probes.players.network import NetworkPlayer
from imprint.probes.players.stable_baselines import StableBaselinesPlayer
from imprint.probes.policies.library import is_algorithm, is_policy


def player_of(
    policy: Any, space: Any, action_space: Any, sample: Any, *, greedy: bool = False, site: str | None = None
) -> Player:
    """A player of an agent of Stable-Baselines3, a torch module, or a function of one observation.

    Arguments:
        policy: the agent, module or function.
        space: observation space of the levels.
        action_space: their action space.
        sample: a few observations of the levels, stacked.
        greedy: whether the likeliest action is taken; otherwise actions are drawn, as in training.
        site: of a torch module, the module whose output is erased from.

    Raises :class:`ImprintError` for anything else, and for a policy of other spaces.
    """
    if is_algorithm(policy) or is_policy(policy):
        if site is not None:
            raise ImprintError("site is for torch modules; of an agent of Stable-Baselines3 the layer is known.")
        return StableBaselinesPlayer(policy, space, action_space, greedy=greedy)
    if isinstance(policy, nn.Module):
        return NetworkPlayer(policy, action_space, sample, greedy=greedy, site=site)
    if callable(policy) and not isinstance(policy, type):
        return FunctionPlayer(policy, action_space)
    raise ImprintError(
        f"the policy is {policy if isinstance(policy, type) else type(policy).__name__}; expected an agent of "
        "Stable-Baselines3, a torch.nn.Module, or a function: observation -> action."
    )
