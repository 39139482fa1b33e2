"""conv: an image encoder taught by temporal contrast.

    z_t = encoder(frame_t)          patch convolution -> dense -> dense, all ReLU
    c_t = relu(W [z_{t-3}; ...; z_t])                                   the context
    loss = - sum_k mean_t log softmax_m( cos(P_k c_t, Q z^m_{t+k}) / temperature )[own episode]

Contrastive predictive coding (van den Oord et al. 2018, arXiv 1807.03748): the context is trained to tell the future of
its own episode from the futures of others. So it keeps what goes on and drops what comes and goes, even while it is in
view; with ``sees`` the latents are [frame_t; c_t], what is seen beside what is known.

Deviations from the source: (1) negatives are the other episodes of the batch at the same step; (2) the context is a
window of four encodings, not a recurrent network; (3) cosine similarity with a fixed temperature; (4) the convolution's
windows tile the image (stride = kernel), so that it is one matrix product and stacks over seeds; ``kernels`` and
``reach`` lead from it to local connections, to a convolution with wider windows, and to a fully connected layer
(:mod:`imprint.models.tiles`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from imprint.models.errors import ImprintError
from imprint.models.learners.base import Frame, Learner, Taught, tile_count, tiles_of
from imprint.models.settings import FrozenSettings
from imprint.models.tiles import Tiles, wiring_of

WINDOW = 4


class Conv(Learner):
    """Patch-convolutional encoder with a contrastive objective."""

    class Settings(FrozenSettings):
        patch: int = Field(4, ge=1, le=65_536)
        """Kernel and stride of the convolution, in pixels."""
        channels: int = Field(24, ge=1, le=65_536)
        """Feature maps."""
        kernels: int = Field(1, ge=1, le=65_536)
        """Kernels that the tiles of a frame share: 1 is a convolution, as many as tiles gives each its own weights."""
        reach: int = Field(0, ge=0, le=65_536)
        """Tiles beyond its own that a unit sees on every side. With all, and a kernel each, it is fully connected."""
        hidden: int = Field(96, ge=1, le=65_536)
        """Width of the encoder's dense layer."""
        width: int = Field(64, ge=1, le=65_536)
        """D, width of encoding and context."""
        horizon: int = Field(3, ge=1, le=10_000_000)
        """Number of steps ahead that are predicted."""
        temperature: float = Field(0.1, gt=0.0, le=1e6)
        """Temperature of the contrastive softmax."""
        sees: bool = False
        """Whether latents hold the pixels of the frame beside the context, so that D is the number of both."""

    def __init__(self, settings: Conv.Settings, frame: Frame) -> None:
        super().__init__(settings, frame)
        s = self.s = settings
        if s.horizon >= frame.steps:
            raise ImprintError(f"learner.horizon is {s.horizon}; with {frame.steps} steps at most {frame.steps - 1}.")
        tiles, seen = tile_count(frame, s.patch), frame.channels * s.patch**2
        wiring = wiring_of(frame.height // s.patch, frame.width // s.patch, kernels=s.kernels, reach=s.reach)
        plain = s.kernels == 1 and s.reach == 0
        self.convolution = nn.Linear(seen, s.channels) if plain else Tiles(wiring, s.kernels, seen, s.channels)
        self.dense = nn.Linear(s.channels * tiles, s.hidden)
        self.encoding = nn.Linear(s.hidden, s.width)
        self.context = nn.Linear(WINDOW * s.width, s.width)
        self.predict = nn.Linear(s.width, s.horizon * s.width)
        self.project = nn.Linear(s.width, s.width)
        self.hook_dense = HookPoint()
        self.hook_encoding = HookPoint()
        self.hook_context = HookPoint()
        if settings.sees:
            self.hook_both = HookPoint()
        self.setup()  # type: ignore[no-untyped-call]

    @property
    def latent_hook(self) -> str:
        """The context, or frame and context where it sees."""
        return "hook_both" if self.s.sees else "hook_context"

    @property
    def read_points(self) -> tuple[str, ...]:
        """Dense layer, encoding, context, and frame and context where it sees."""
        return ("hook_dense", "hook_encoding", "hook_context", *(("hook_both",) if self.s.sees else ()))

    def encode(self, observation: Tensor) -> Tensor:
        """Frame encodings ``[n, T, D]``."""
        tiles = tiles_of(observation, self.s.patch)
        dense = self.hook_dense(F.relu(self.dense(F.relu(self.convolution(tiles)).flatten(2))))
        encoding: Tensor = self.hook_encoding(F.relu(self.encoding(dense)))
        return encoding

    def remember(self, encoding: Tensor) -> Tensor:
        """Context ``[n, T, D]`` from the last four encodings."""
        padded = F.pad(encoding, (0, 0, WINDOW - 1, 0))
        steps = encoding.shape[1]
        window = torch.cat([padded[:, i : i + steps] for i in range(WINDOW)], dim=-1)
        context: Tensor = self.hook_context(F.relu(self.context(window)))
        return context

    def shown(self, observation: Tensor, context: Tensor) -> Tensor:
        """Latents ``[n, T, D]``: contexts, beside the pixels of each frame where it sees."""
        if not self.s.sees:
            return context
        both: Tensor = self.hook_both(torch.cat([observation.flatten(2), context], dim=-1))
        return both

    def forward(self, observation: Tensor) -> Tensor:
        """Latents; see :meth:`shown`."""
        return self.shown(observation, self.remember(self.encode(observation)))

    def objective(self, observation: Tensor) -> Taught:
        """Contrastive loss in nats per prediction, summed over horizons."""
        s = self.s
        encoding = self.encode(observation)
        context = self.remember(encoding)
        target = F.normalize(self.project(encoding), dim=-1)
        prediction = F.normalize(self.predict(context).unflatten(-1, (s.horizon, s.width)), dim=-1)
        loss = observation.new_zeros(())
        for k, ahead in enumerate(prediction.unbind(2), 1):
            logits = torch.einsum("ntd,mtd->tnm", ahead[:, :-k], target[:, k:]) / s.temperature
            loss = loss - F.log_softmax(logits, dim=-1).diagonal(dim1=-2, dim2=-1).mean()
        return Taught(loss, self.shown(observation, context))
