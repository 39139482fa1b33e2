"""A recurrent network is a deep feed-forward one whose layers share their weights."""

from __future__ import annotations

import copy

import torch

from imprint.models.learners.base import Frame
from imprint.models.learners.recurrent import Recurrent


def test_a_memory_is_the_last_layer_of_as_many_layers_as_there_are_frames() -> None:
    frame = Frame(steps=5, channels=3, height=4, width=8)
    torch.manual_seed(0)
    network = Recurrent(Recurrent.Settings(width=12, channels=6), frame).double().eval()
    shown = torch.randn(7, 5, 3, 4, 8, generator=torch.Generator().manual_seed(1)).double()
    layers = [copy.deepcopy(network) for _ in range(frame.steps)]
    memory = torch.zeros(7, 12).double()
    with torch.no_grad():
        for layer, encoding in zip(layers, network.encode(shown).unbind(1), strict=True):
            memory = layer.step(encoding, memory)
        torch.testing.assert_close(memory, network(shown)[:, -1], rtol=0, atol=1e-12)
        layers[2].gates.weight += 0.1
        untied = torch.zeros(7, 12).double()
        for layer, encoding in zip(layers, network.encode(shown).unbind(1), strict=True):
            untied = layer.step(encoding, untied)
    assert (untied - memory).abs().max() > 1e-3
