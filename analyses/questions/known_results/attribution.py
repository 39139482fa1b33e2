"""Known results about attributions, concept activation and disentanglement.

    concept activation null     perceptron 64-64-32-10 on digits, sets of 50 random pictures, 20 runs
    disentanglement             five uniform factors, 3,000 rows: DCI of codes that copy them, mix them, or do neither
    randomised weights          rank correlation of attributions before and after, signed and absolute
    remove and retrain          accuracy without the top pixels, and whether the mask alone tells the class
    digits with a proxy         label: digit >= 5; two corner pixels agree with it in a share rho of the training rows

Letters: n pictures, t share of removed pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from imprint.analyses.engine import Say
from imprint.analyses.questions.known_results import references as known
from imprint.analyses.questions.known_results.digits import Digits
from imprint.analyses.questions.known_results.probing import count
from imprint.analyses.questions.known_results.references import Figures
from imprint.analyses.statistics import rate_of
from imprint.probes.attributions.base import Attributor
from imprint.probes.attributions.gradient_times_input import GradientTimesInput
from imprint.probes.attributions.integrated_gradients import IntegratedGradients
from imprint.probes.causal.concept_activation import concept_activation, null_rate
from imprint.probes.readouts.logistic import Logistic
from imprint.probes.scoring.disentanglement import dci
from imprint.probes.scoring.sanity import randomised_weights, retrain
from imprint.probes.subjects.subject import Subject

CORNERS = (0, 7)
"""Pixels of the proxy: the two upper corners."""


def concept_null(*, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """How often random pictures are called a concept of the logit of digit 0, at the second hidden layer."""
    rng, concepts = torch.Generator().manual_seed(seed), count(200, scale)
    figures, digits = Figures(concepts), Digits.loaded()
    network = digits.perceptron((64, 64, 32, 10), digits.x, digits.digit, rng=rng)
    subject = Subject(network).output(0)
    zeros, others = digits.x[digits.digit == 0], digits.x[digits.digit != 0]
    say(0, 1, f"{concepts} concepts")
    rate = null_rate(subject, zeros[:100], "3", digits.x, concepts=concepts, size=50, runs=20, nulls=99, rng=rng)
    concept, random = zeros[100:150], others[:500]
    itself = concept_activation(subject, zeros[:100], "3", concept, random=random, runs=20, nulls=99, rng=rng)
    figures.add(known.CONCEPT, "the class itself", "score", itself.score, n=itself.n)
    for how, value in (("against random concepts", rate.rate), ("t-test of runs", rate.t_test_rate)):
        used = rate_of(round(value * concepts), concepts)
        figures.add(known.CONCEPT, f"random concepts, {how}", "called used", used)
    return figures.table()


Code = Callable[[np.ndarray, np.random.Generator], np.ndarray]
CODES: dict[str, Code] = {
    "permuted and scaled": lambda z, r: z[:, r.permutation(5)] * r.uniform(0.5, 3, 5),
    "tanh": lambda z, r: np.tanh(2 * z),
    "rotated": lambda z, r: z @ np.linalg.qr(r.normal(size=(5, 5)))[0],
    "three copies": lambda z, r: np.repeat(z, 3, 1),
    "unrelated": lambda z, r: r.normal(size=z.shape),
}
"""Codes ``[n, .]`` that are made from factors ``[n, 5]``."""


def disentangled(*, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """DCI of codes made from five uniform factors; rotations are drawn anew each time."""
    repeats, n = count(5, scale), 3000
    figures = Figures(n)
    for repeat in range(repeats):
        for i, (kind, code) in enumerate(CODES.items()):
            say(repeat * len(CODES) + i, repeats * len(CODES), kind)
            rng = np.random.default_rng([seed, repeat, i])
            z = rng.uniform(-1, 1, (n, 5))
            codes, factors = torch.from_numpy(code(z, rng)), pd.DataFrame(z, columns=list("abcde"))
            for estimator in ("lasso", "forest") if kind in ("rotated", "three copies") else ("lasso",):
                scores = dci(codes, factors, estimator=estimator, shuffles=3, rng=rng)
                condition = f"{kind}, {estimator}"
                if kind == "unrelated":
                    figures.add(known.CODES, condition, "refused", np.isnan(scores.disentanglement))
                    continue
                figures.add(known.CODES, condition, "disentanglement", scores.disentanglement)
                figures.add(known.CODES, condition, "completeness", scores.completeness)
    return figures.table()


def noise_and_masks(*, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """Randomised weights for two attributions; removal with retraining for the first."""
    rng, digits = torch.Generator().manual_seed(seed), Digits.loaded()
    network = digits.perceptron((64, 64, 64, 10), digits.x, digits.digit, rng=rng)
    few = digits.x[: count(300, scale)]
    figures, first = Figures(len(few)), GradientTimesInput()
    methods: dict[str, Attributor] = {"gradient_times_input": first, "integrated_gradients": IntegratedGradients()}
    for i, (method, attributor) in enumerate(methods.items()):
        say(i, 3, method)
        check = randomised_weights(Subject(network).output(3), few, attributor, draws=5, rng=rng)
        figures.add(known.NOISE, method, "signed rank correlation", check.signed)
        figures.add(known.NOISE, method, "absolute rank correlation", check.absolute)
    say(2, 3, "retrain")

    def largest_logit(x: Tensor) -> Tensor:
        logits: Tensor = network(x)
        return logits.amax(1)

    attribution = first(Subject(network, largest_logit), digits.x)
    writers, shuffles = np.arange(len(digits.x)) // 130, np.random.default_rng(seed)
    again = retrain(digits.x, attribution, digits.digit.numpy(), groups=writers, shuffles=19, rng=shuffles)
    figures.add(known.MASK, "nothing removed", "accuracy", again.accuracy, n=again.n)
    for row in again.table.to_dict("records"):
        ranking, share = row["ranking"], row["share"]
        figures.add(known.MASK, ranking, "accuracy", row["accuracy"], at=share, n=again.n)
        figures.add(known.MASK, ranking, "mask called leaking", not row["evidence"], at=share, n=again.n)
    return figures.table(known_only=True)


def digits_proxy(*, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """A perceptron 64-64-64-2 when two pixels agree with the label in a share rho of the training rows."""
    figures, repeats, digits = Figures(540), count(3, scale), Digits.loaded()
    label = digits.digit >= 5
    for i, rho in enumerate((0.5, 0.9, 0.99, 1.0)):
        for repeat in range(repeats):
            say(i * repeats + repeat, 4 * repeats, f"rho {rho:g}")
            rng = torch.Generator().manual_seed(100 * seed + repeat)
            train, test = digits.split(rng=rng)
            bit = torch.where(torch.rand(len(label), generator=rng) < rho, label, ~label)
            network = digits.perceptron((64, 64, 64, 2), _with(digits.x, bit)[train], label[train].long(), rng=rng)
            for measure, value in _proxied(network, digits.x, label, bit, split=(train, test)).items():
                figures.add(known.PROXY, "perceptron", measure, value, at=rho)
    return figures.table()


def _with(x: Tensor, bit: Tensor) -> Tensor:
    """Pictures whose corner pixels show a bit ``[n]``."""
    x = x.clone()
    x[:, list(CORNERS)] = bit.float()[:, None]
    return x


def _proxied(
    network: nn.Sequential, pictures: Tensor, label: Tensor, bit: Tensor, *, split: tuple[Tensor, Tensor]
) -> dict[str, float]:
    """Behaviour, attribution and decodability on test pictures; ``split``: training and test pictures."""

    def margin(rows: Tensor) -> Tensor:
        low, high = network(rows).unbind(1)
        difference: Tensor = high - low
        return difference

    train, test = split
    subject = Subject(network, margin, ["3"])
    x, truth = pictures[test], label[test]
    agree, conflict = (subject.values(_with(x, shown)) > 0 for shown in (truth, ~truth))
    mass = IntegratedGradients()(subject, _with(x, bit[test])).on_observation().abs().flatten(1)
    share = mass[:, list(CORNERS)].sum(1) / mass.sum(1).clamp(min=1e-12)
    balanced = torch.rand(len(pictures), generator=torch.Generator().manual_seed(0)) < 0.5
    seen = subject.activations(_with(pictures, balanced))["3"].double().numpy()
    probe = Logistic(penalties=(1e-2,)).fit(seen[train], label[train].numpy())
    return {
        "accuracy in agreement": float((agree == truth).double().mean()),
        "accuracy in conflict": float((conflict == truth).double().mean()),
        "flips with the proxy": float((agree != conflict).double().mean()),
        "integrated gradients on the proxy": float(share.mean()),
        "linear probe of the concept": float((probe.predict(seen[test]) == truth.numpy()).mean()),
    }
