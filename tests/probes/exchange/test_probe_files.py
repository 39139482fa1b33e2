"""Probes saved with a card: the same readings, the card as located, and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import imprint
from imprint.models.errors import DamagedFileError, ImprintError, UnknownNameError
from imprint.models.store import model_hash
from imprint.probes.exchange.probe_files import ProbeCard, load_probe, save_probe
from imprint.probes.readouts.base import READOUTS
from imprint.probes.readouts.ridge import Ridge

RNG = np.random.default_rng(0)
LABEL = RNG.choice(["heads", "tails"], 120)
X = RNG.normal(size=(120, 4))
X[:, 1] += 2 * (LABEL == "tails")


@pytest.mark.parametrize("name", READOUTS.names())
def test_every_kind_of_readout_reads_the_same_after_loading(name: str, tmp_path: Path) -> None:
    readout = READOUTS.load(name)()
    readout.fit(X, (LABEL == "tails").astype(float) if not readout.reads_classes else LABEL)
    saved = save_probe(tmp_path / "probe.safetensors", readout, ProbeCard("coin", "layer"))
    probe = load_probe(saved)
    assert torch.equal(probe(torch.from_numpy(X)), readout.fitted_(torch.from_numpy(X)))
    assert probe.card.classes == (("heads", "tails") if readout.reads_classes else ())


def test_the_card_is_what_locate_found_and_belongs_to_one_network(tmp_path: Path) -> None:
    table = imprint.locate({"layer": X}, pd.DataFrame({"coin": LABEL}), inputs=X[:, :1], resamples=50)
    model, other = nn.Linear(4, 2), nn.Linear(4, 2)
    card = ProbeCard.of(table, "coin", "layer", model=model)
    probe = load_probe(save_probe(tmp_path / "p.safetensors", Ridge().fit(X, LABEL), card), model=model)
    row = table.iloc[0]
    assert (probe.card.score, probe.card.low, probe.card.high) == (row["score"], row["low"], row["high"])
    assert probe.card.floors == {"null": row["null"], "untrained": None, "inputs": row["inputs"]}
    assert (probe.card.verdict, probe.card.readout, probe.card.model) == (row["verdict"], "Ridge", "Linear")
    assert probe.card.model_hash == model_hash(model) != model_hash(other)
    with pytest.raises(ImprintError, match="was fitted on a Linear whose weights have the hash"):
        load_probe(tmp_path / "p.safetensors", model=other)
    with pytest.raises(UnknownNameError, match="Did you mean 'coin'"):
        ProbeCard.of(table, "coyn", "layer")


def test_files_that_are_no_probes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImprintError, match=r"call fit\(X, y\) first"):
        save_probe(tmp_path / "p.safetensors", Ridge(), ProbeCard("coin", "layer"))
    fitted = Ridge().fit(X, LABEL)
    fitted.fitted_.save(tmp_path / "bare.safetensors")
    with pytest.raises(DamagedFileError, match="no probe with a card"):
        load_probe(tmp_path / "bare.safetensors")
    path = save_probe(tmp_path / "p.safetensors", fitted, ProbeCard("coin", "layer"))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DamagedFileError):
        load_probe(path)
