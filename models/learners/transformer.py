"""transformer: a causal transformer trained to predict the next observation from observation and action tokens.

    tokens    o_1 a_1 o_2 a_2 ... o_T a_T      o_t = linear(sensory channels), a_t = linear(action planes)
    state_t   residual stream after the last block, at the last token of step t
    loss      mean over t < T of the error between unembed(norm(state_t)) and the sensory channels of frame t+1:
              squared, or, for worlds whose planes are all 0 or 1, Bernoulli (nats per cell)

Trajectories are treated as sequences of tokens, as in decision and trajectory transformers (Chen et al. 2021, arXiv
2106.01345; Janner et al. 2021, arXiv 2106.02039). Worlds without actions give one token per step. The blocks are
TransformerLens's own (``TransformerBridge.boot_native``, random initialisation), with all their hook points under
``bridge.``.

Sites of a block are named after the token they read: ``blocks.0.hook_out:observation``, ``blocks.0.hook_out:action``.
After the last block only the predicting token is a site (``hook_state``): no prediction depends on the other.

Deviations from the sources: (1) no returns in the sequence and no prediction of actions, only of observations;
(2) the observation is predicted plane by plane, not as one discrete token; (3) learned positions count tokens, not
steps. The bridge's table of token identities is never used, and so never learns.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.hook_points import HookPoint
from transformer_lens.model_bridge.sources import boot_native

from imprint.models.errors import ImprintError, unknown_name
from imprint.models.learners.base import Frame, Learner, Taught
from imprint.models.settings import FrozenSettings


class Transformer(Learner):
    """Next-observation transformer over observation and action tokens."""

    class Settings(FrozenSettings):
        layers: int = Field(2, ge=1, le=24)
        """Blocks."""
        heads: int = Field(4, ge=1, le=65_536)
        """Attention heads per block."""
        width: int = Field(48, ge=2, le=65_536)
        """D, width of the residual stream."""
        hidden: int = Field(192, ge=1, le=65_536)
        """Width of each block's dense layer."""
        error: Literal["squared", "bernoulli"] = "squared"
        """The loss; ``bernoulli`` learns one-hot planes several times faster and refuses values outside 0 to 1."""

        @model_validator(mode="after")
        def _divides(self) -> Transformer.Settings:
            if self.width % self.heads:
                raise ValueError(f"width is {self.width} and heads is {self.heads}; heads must divide width")
            return self

    stackable = False
    latent_hook = "hook_state"

    def __init__(self, settings: Transformer.Settings, frame: Frame) -> None:
        super().__init__(settings, frame)
        s = self.s = settings
        self.cells = frame.sensory_channels * frame.height * frame.width
        self.kinds = ("observation", "action") if frame.action_channels else ("observation",)
        self.observe = nn.Linear(self.cells, s.width)
        self.act = nn.Linear(frame.action_channels, s.width) if frame.action_channels else None
        self.bridge: Any = boot_native(
            TransformerBridgeConfig(
                d_model=s.width,
                d_head=s.width // s.heads,
                n_heads=s.heads,
                n_layers=s.layers,
                d_mlp=s.hidden,
                n_ctx=frame.steps * len(self.kinds),
                d_vocab=1,
                d_vocab_out=self.cells,
                act_fn="gelu",
                device="cpu",
            )
        )
        self.hook_token = HookPoint()
        self.hook_state = HookPoint()
        self.setup()  # type: ignore[no-untyped-call]

    @property
    def read_points(self) -> tuple[str, ...]:
        """The observation token, every block but the last at every kind of token, and the predicting state."""
        blocks = [f"blocks.{i}.hook_out:{kind}" for i in range(self.s.layers - 1) for kind in self.kinds]
        return ("hook_token", *blocks, "hook_state")

    def module_of(self, hook: str) -> str:
        """Name of the sub-module whose output holds ``hook``."""
        if hook not in self.read_points:
            raise unknown_name("hook of Transformer", hook, self.read_points)
        module, _, kind = hook.partition(":")
        return f"bridge.{module}" if kind else module

    def index(self, hook: str, step: int) -> int:
        """Token position in a block's output; the step itself elsewhere."""
        _, _, kind = hook.partition(":")
        return len(self.kinds) * step + self.kinds.index(kind) if kind else step

    def tokens(self, observation: Tensor) -> Tensor:
        """Embedded tokens ``[n, T or 2T, D]``."""
        sensory = self.frame.sensory_channels
        token: Tensor = self.hook_token(self.observe(observation[:, :, :sensory].flatten(2)))
        if self.act is None:
            return token
        action = self.act(observation[:, :, sensory:, 0, 0])
        return torch.stack([token, action], dim=2).flatten(1, 2)

    def forward(self, observation: Tensor) -> Tensor:
        """States ``[n, T, D]``: the residual stream at the last token of each step."""
        tokens = self.tokens(observation)
        place = torch.arange(tokens.shape[1], device=tokens.device).expand(len(tokens), -1)
        residual = tokens + self.bridge.pos_embed(place)
        for block in self.bridge.blocks:
            (residual,) = block(residual)
        last = len(self.kinds) - 1
        state: Tensor = self.hook_state(residual[:, last :: len(self.kinds)])
        return state

    def predict(self, state: Tensor) -> Tensor:
        """The next frame's sensory channels, flattened ``[n, T, cells]``; log-odds when the error is Bernoulli."""
        prediction: Tensor = self.bridge.unembed(self.bridge.ln_final(state))
        return prediction

    def objective(self, observation: Tensor) -> Taught:
        """Error of the next observation per cell."""
        state = self(observation)
        target = observation[:, 1:, : self.frame.sensory_channels].flatten(2)
        prediction = self.predict(state[:, :-1])
        if self.s.error == "squared":
            return Taught((prediction - target).square().mean(), state)
        low, high = float(target.min()), float(target.max())
        if low < 0.0 or high > 1.0:
            raise ImprintError(
                f"learner.error is 'bernoulli', but frames range over {low:.3g} to {high:.3g}; expected 0 to 1. "
                "Set learner.error to 'squared' in this world."
            )
        return Taught(F.binary_cross_entropy_with_logits(prediction, target), state)
