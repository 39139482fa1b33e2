"""Benchmark of ``latch`` on a transformer of 23 million parameters, over a world of tokens.

The shape is that of MiniLM-L6 (six layers, width 384, 30,522 tokens), with random weights. Sites are the first position
after every layer. Beside the time stands that of the same number of full passes, which is what edits cost when each of
them runs the whole network.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from transformers import BertConfig, BertModel

import imprint
from benchmarks.measure import Row, arguments, at_most, show, timed
from imprint.analyses.latch import mediation
from imprint.probes.subjects import upstream
from imprint.probes.subjects.subject import Subject

LENGTH, LAYERS = 16, 6
CONCEPTS = ("food", "bell", "light")


class Tokens(imprint.World):
    """Sixteen tokens; three of them say yes or no to a concept each, the others are noise."""

    factors = dict.fromkeys(CONCEPTS, (False, True))

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Tokens that mean nothing."""
        return {"tokens": torch.randint(1000, 30_000, (n, LENGTH), generator=rng)}

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Token numbers ``[n, 16]``."""
        tokens = noise["tokens"].clone()
        for i, name in enumerate(CONCEPTS):
            tokens[:, 3 * i + 1] = 100 + 10 * i + torch.tensor(concepts[name].to_numpy()).long()
        return tokens


def main() -> None:
    """Measure and print."""
    options = arguments(str(__doc__).splitlines()[0])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = BertConfig(hidden_size=384, num_hidden_layers=LAYERS, num_attention_heads=12, intermediate_size=1536)
    model = BertModel(config, add_pooling_layer=False).eval()
    head = torch.randn(384)
    subject = Subject(model, lambda tokens: model(tokens).last_hidden_state[:, 0] @ head)
    sites = [f"encoder.layer.{i}.output@0" for i in range(1 if options.quick else LAYERS)]
    rows = 800
    tokens = Tokens().sample(rows, rng=torch.Generator().manual_seed(0)).observation
    _, single = timed(lambda: subject.values(tokens))
    edits = 0
    plain = upstream.values_under

    def counted(subject: Subject, observation: Tensor, places: Sequence[Any], **options: Any) -> list[Tensor]:
        nonlocal edits
        edits += sum(len(place) for place in places)
        return plain(subject, observation, places, **options)

    mediation.values_under = counted  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, spent = timed(
            lambda: imprint.latch(subject, Tokens(), intended="food", proxies=["bell", "light"], sites=sites, n=rows)
        )
    others = 2 + len(CONCEPTS)
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    shape = f"{parameters:.0f} M parameters, {rows} rows x {len(sites)} sites x {len(CONCEPTS)} concepts"
    full = (edits + others) * single.cpu
    result = [
        at_most(60, "latch", spent.cpu, "s", note=f"{shape}; one full pass {single.cpu:.1f} s"),
        Row("edits and other passes, each in full", full, "s", note=f"{edits} edits, {others} other passes"),
        Row("ratio", full / spent.cpu, "x"),
    ]
    show("latch on a wide network", result, as_json=options.json)


if __name__ == "__main__":
    main()
