"""Agents of Stable-Baselines3 and sb3-contrib as players: they act by their own ``predict``.

Of an algorithm, the wrappers of its environment are applied to the levels (:class:`~imprint.probes.policies.
preprocessing.Chain`); of a policy nothing is known of them. A recurrent policy has its state, a maskable one the masks
of levels that give some (``action_masks``). DQN acts greedily: the part of its actions that is random explores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imprint.models.errors import ImprintError
from imprint.probes.players.base import Player, Seen, Tap, stacked
from imprint.probes.policies.library import CONTINUOUS, MASKABLE, Q_NETWORK, RECURRENT, is_algorithm, kind_of, policy_of
from imprint.probes.policies.passes import Pass
from imprint.probes.policies.preprocessing import Chain

UNMASKED = (
    "The levels have no action_masks(), so all actions were allowed, and the agent may have been trained with some."
)


class StableBaselinesPlayer(Player):
    """An algorithm, or its policy, that acts."""

    def __init__(self, source: Any, space: Any, action_space: Any, *, greedy: bool) -> None:
        self.policy, self._name = policy_of(source), type(source).__name__
        self.model, self.kind = self.policy, kind_of(self.policy)
        self.greedy = greedy or self.kind == Q_NETWORK
        self.chain = Chain(source) if is_algorithm(source) else None
        self._pass = Pass(self.policy, warns=False)  # normalised observations leave the bounds of the raw ones
        trained_in = self.policy.observation_space if self.chain is None else self.chain.space
        if not _alike(trained_in, space):
            raise ImprintError(
                f"the levels give observations of {space}, but {self._name} was trained on {trained_in}. Wrap the "
                "levels as the single environments were wrapped in training."
            )
        if self.policy.action_space != action_space:
            raise ImprintError(
                f"the levels take actions of {action_space}, but {self._name} acts in {self.policy.action_space}."
            )
        self.has_value = True
        self.acting, self.taps = self._places()
        self.notes = self._notes()

    @property
    def name(self) -> str:
        """Class of the algorithm or of the policy."""
        return self._name

    def begin(self, n: int) -> None:
        """The episodes begin: no memory, no frames."""
        super().begin(n)
        self._state: Any = None
        self._states: Any = None
        if self.chain is not None:
            self.chain.begin(n)
        self._shown_of: tuple[int, Any] = (-1, None)

    def act(self, seen: Seen) -> NDArray[Any]:
        """Actions by the policy's own ``predict``, with chance from the step's seed."""
        starts = np.full(self.n, seen.first)
        if self.kind == MASKABLE and seen.masks is None:
            self.notes = tuple(dict.fromkeys((*self.notes, UNMASKED)))
        more: dict[str, Any] = {"action_masks": seen.masks} if self.kind == MASKABLE and seen.masks is not None else {}
        training, state = self.policy.training, np.random.get_state()  # noqa: NPY002 (put back below)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seen.noise % 2**62)
                if seen.first and getattr(self.policy, "use_sde", False):
                    self.policy.reset_noise(self.n)
                actions, self._state = self.policy.predict(
                    self._shown(seen), state=self._state, episode_start=starts, deterministic=self.greedy, **more
                )
        finally:
            np.random.set_state(state)  # noqa: NPY002
            self.policy.train(training)
        return np.asarray(actions)

    def value(self, seen: Seen) -> NDArray[np.float32]:
        """The critic's value; a recurrent critic remembers the steps in which it was asked."""
        shown, _ = self.policy.obs_to_tensor(self._shown(seen))
        with torch.no_grad():
            if self.kind == RECURRENT:
                value = self._recurrent(shown, seen)[1]
            else:
                value = self._pass.value(self._pass.packed(shown))
        values: NDArray[np.float32] = value.reshape(len(seen.observations)).float().cpu().numpy()
        return values

    def logits(self, seen: Seen) -> NDArray[np.float32] | None:
        """Logits, or Q, of a discrete policy without a memory."""
        from gymnasium import spaces

        if self.kind == RECURRENT or not isinstance(self.policy.action_space, spaces.Discrete):
            return None
        shown, _ = self.policy.obs_to_tensor(self._shown(seen))
        with torch.no_grad():
            return self._pass.preferences(self._pass.packed(shown)).float().cpu().numpy()

    def _recurrent(self, shown: Any, seen: Seen) -> Any:
        from sb3_contrib.common.recurrent.type_aliases import RNNStates

        if self._states is None:
            layers, _, width = self.policy.lstm_hidden_state_shape
            blank = torch.zeros(layers, self.n, width, device=self.policy.device)
            self._states = RNNStates((blank, blank), (blank, blank))
        starts = torch.full((self.n,), float(seen.first), device=self.policy.device)
        with torch.random.fork_rng(devices=[]):
            *found, self._states = self.policy.forward(shown, self._states, starts, deterministic=True)
        return found

    def _shown(self, seen: Seen) -> Any:
        """What the policy is shown, once a step however often it is asked."""
        if self._shown_of[0] != id(seen):
            observation = stacked(seen.observations)
            shown = observation if self.chain is None else self.chain.step(observation, first=seen.first)
            self._shown_of = (id(seen), shown)
            self._last = seen  # keeps the identity from being given to another
        return self._shown_of[1]

    def _places(self) -> tuple[Tap, tuple[Tap, ...]]:
        """Where what is known is erased, and where facts are located."""
        layers, more = dict(self.policy.named_modules()), list[str]()
        if self.kind == Q_NETWORK:
            last = [
                name for name, layer in layers.items() if name.startswith("q_net.q_net.") and hasattr(layer, "weight")
            ][-1]
            acting, extractor = Tap(last, entering=True), "q_net.features_extractor"
        elif self.kind == CONTINUOUS:
            acting, extractor = Tap("actor.latent_pi"), "actor.features_extractor"
            if "actor.latent_pi" not in layers:
                last = [
                    name for name, layer in layers.items() if name.startswith("actor.mu.") and hasattr(layer, "weight")
                ][-1]
                acting = Tap(last, entering=True)
        else:
            acting, extractor = Tap("mlp_extractor.policy_net"), "features_extractor"
            more.append("mlp_extractor.value_net")
            if not self.policy.share_features_extractor:
                extractor = "pi_features_extractor"
        learned = extractor in layers and any(True for _ in layers[extractor].parameters())
        return acting, (*([Tap(extractor)] if learned else []), acting, *map(Tap, more))

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self.chain is None:
            notes.append(
                f"{self._name} was given without its algorithm, so nothing was done to observations before it."
            )
        elif not self.chain.known:
            notes.append(
                f"{self._name} has no environment (it was loaded), so its normalisation and frame stacking are not "
                "known; give it one with set_env() if it was trained with them."
            )
        elif self.chain.words:
            notes.append(f"Observations of the levels pass through the agent's {self.chain.words}.")
        if self.kind == Q_NETWORK:
            notes.append("DQN acts greedily here; the random part of its actions in training explores.")
        return tuple(notes)


def _alike(one: Any, other: Any) -> bool:
    """Whether observations of two spaces have the same shapes, channels first or last."""
    from gymnasium import spaces

    if isinstance(one, spaces.Dict) and isinstance(other, spaces.Dict):
        return one.spaces.keys() == other.spaces.keys() and all(_alike(one[k], other[k]) for k in one.spaces)
    return type(one) is type(other) and sorted(one.shape or ()) == sorted(other.shape or ())
