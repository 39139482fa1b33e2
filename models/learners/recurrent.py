"""recurrent: a patch encoder and a gated recurrent cell that predict the next frame.

    e_t = encoder(frame_t)              patch convolution -> dense, both ReLU; the frame holds the action
    r, z = sigmoid(W [e_t; h_{t-1}]),   c = tanh(U [e_t; r h_{t-1}]),   h_t = z h_{t-1} + (1 - z) c
    loss = mean over t < T of | decoder(h_t) - sensory channels of frame t+1 |^2

The cell is the gated recurrent unit (Cho et al. 2014, arXiv 1406.1078); the task is next-frame prediction as in world
models (Ha & Schmidhuber 2018, arXiv 1803.10122).

Deviations from the sources: (1) encoder, memory and decoder are trained together, with no bottleneck code and no
mixture density; (2) the convolution's windows tile the image (stride = kernel); (3) the cell is written out, one matrix
product for both gates, so that seeds stack as a batch dimension; (4) action planes are read and never predicted.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from imprint.models.learners.base import Frame, Learner, Taught, tile_count, tiles_of
from imprint.models.settings import FrozenSettings


class Recurrent(Learner):
    """Patch encoder, gated recurrent memory and next-frame decoder."""

    class Settings(FrozenSettings):
        patch: int = Field(4, ge=1, le=65_536)
        """Kernel and stride of the convolution, in pixels."""
        channels: int = Field(24, ge=1, le=65_536)
        """Feature maps."""
        width: int = Field(64, ge=1, le=65_536)
        """D, width of encoding and memory."""

    latent_hook = "hook_memory"
    read_points = ("hook_encoding", "hook_memory")

    def __init__(self, settings: Recurrent.Settings, frame: Frame) -> None:
        super().__init__(settings, frame)
        s = self.s = settings
        tiles = tile_count(frame, s.patch)
        self.convolution = nn.Linear(frame.channels * s.patch**2, s.channels)
        self.encoding = nn.Linear(s.channels * tiles, s.width)
        self.gates = nn.Linear(2 * s.width, 2 * s.width)
        self.candidate = nn.Linear(2 * s.width, s.width)
        self.decoder = nn.Linear(s.width, frame.sensory_channels * frame.height * frame.width)
        self.hook_encoding = HookPoint()
        self.hook_memory = HookPoint()
        self.setup()  # type: ignore[no-untyped-call]

    def encode(self, observation: Tensor) -> Tensor:
        """Frame encodings ``[n, T, D]``."""
        tiles = tiles_of(observation, self.s.patch)
        encoding: Tensor = self.hook_encoding(F.relu(self.encoding(F.relu(self.convolution(tiles)).flatten(2))))
        return encoding

    def step(self, encoding: Tensor, memory: Tensor) -> Tensor:
        """Memory ``[n, D]`` after one more encoding."""
        reset, keep = torch.sigmoid(self.gates(torch.cat([encoding, memory], dim=-1))).chunk(2, dim=-1)
        candidate = torch.tanh(self.candidate(torch.cat([encoding, reset * memory], dim=-1)))
        return keep * memory + (1 - keep) * candidate

    def forward(self, observation: Tensor) -> Tensor:
        """Memories ``[n, T, D]``."""
        encoding = self.encode(observation)
        memory = torch.zeros_like(encoding[:, 0])
        memories = []
        for now in encoding.unbind(1):
            memory = self.step(now, memory)
            memories.append(memory)
        whole: Tensor = self.hook_memory(torch.stack(memories, dim=1))
        return whole

    def objective(self, observation: Tensor) -> Taught:
        """Mean squared error of the next frame's sensory channels."""
        memory = self(observation)
        prediction: Tensor = self.decoder(memory[:, :-1])
        target = observation[:, 1:, : self.frame.sensory_channels].flatten(2)
        return Taught((prediction - target).square().mean(), memory)
