"""Which object is what in Stable-Baselines3 and sb3-contrib, found without importing either for objects of others."""

from __future__ import annotations

import sys
from typing import Any

from imprint.models.errors import ImprintError

ACTOR_CRITIC, RECURRENT, MASKABLE, Q_NETWORK, CONTINUOUS = (
    "actor-critic",
    "recurrent",
    "maskable",
    "Q network",
    "Q actor",
)
"""Kinds of policies: PPO and A2C; RecurrentPPO; MaskablePPO; DQN; SAC and TD3."""
KINDS = {
    "stable_baselines3.common.policies.ActorCriticPolicy": ACTOR_CRITIC,
    "sb3_contrib.common.recurrent.policies.RecurrentActorCriticPolicy": RECURRENT,
    "sb3_contrib.common.maskable.policies.MaskableActorCriticPolicy": MASKABLE,
    "stable_baselines3.dqn.policies.DQNPolicy": Q_NETWORK,
    "stable_baselines3.sac.policies.SACPolicy": CONTINUOUS,
    "stable_baselines3.td3.policies.TD3Policy": CONTINUOUS,
}
"""Class -> kind of its instances and those of its subclasses, unless a subclass is listed too."""
ALGORITHM, POLICY = "stable_baselines3.common.base_class.BaseAlgorithm", "stable_baselines3.common.policies.BaseModel"


def library() -> None:
    """Raise :class:`ImprintError` when Stable-Baselines3 is not installed."""
    try:
        import stable_baselines3  # noqa: F401 (is it installed?)
    except ImportError:
        raise ImprintError("Stable-Baselines3 is not installed; pip install 'imprint[sb3]'.") from None


def is_algorithm(thing: object) -> bool:
    """Whether it is an algorithm (PPO, DQN, ...), trained or loaded."""
    return ALGORITHM in _lineage(thing)


def is_policy(thing: object) -> bool:
    """Whether it is a policy, or another model, of Stable-Baselines3."""
    return POLICY in _lineage(thing)


def policy_of(thing: Any) -> Any:
    """The policy of an algorithm; a policy as it is. Raises :class:`ImprintError` for anything else."""
    if is_algorithm(thing):
        return thing.policy
    if is_policy(thing):
        return thing
    raise _refused(thing)


def kind_of(policy: object) -> str:
    """One of the kinds above. Raises :class:`ImprintError`, by name, for a policy whose methods are not known."""
    for name in _lineage(policy):
        if name in KINDS:
            return KINDS[name]
    raise _refused(policy)


def _lineage(thing: object) -> list[str]:
    """Full names of the classes of an object, its own first; empty when the library was never imported."""
    if "stable_baselines3" not in sys.modules:
        return []
    return [f"{cls.__module__}.{cls.__qualname__}" for cls in type(thing).__mro__]


def _refused(thing: object) -> ImprintError:
    return ImprintError(
        f"got {type(thing).__name__}; expected the ActorCriticPolicy of a PPO or A2C agent, the policy of a DQN, SAC, "
        "TD3, RecurrentPPO or MaskablePPO agent, or such an agent itself. Other networks are examined with "
        "imprint.Subject(network, value=...), others in an AgentStudy as functions: lambda o: agent.predict(o)[0]."
    )
