"""known_attribution: known results about attributions, concept activation and disentanglement.

    concept activation null     perceptron 64-64-32-10 on digits, sets of 50 random pictures, 20 runs
    disentanglement             five uniform factors, 3,000 rows: DCI of codes that know them, mix them, or do not
    randomised weights          rank correlation of attributions before and after, signed and absolute
    remove and retrain          accuracy without the top pixels, and whether the mask alone tells the class
    digits with a proxy         label: digit >= 5; two corner pixels agree with it in a share rho of the training rows

Letters: n pictures, t share of removed pixels.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from imprint.analyses.engine import Say
from imprint.analyses.questions.known_results import references as known
from imprint.analyses.questions.known_results.digits import Digits
from imprint.analyses.questions.known_results.probing import count
from imprint.analyses.questions.known_results.references import measured, name
from imprint.analyses.statistics import clopper_pearson
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
    began, rng = time.process_time(), torch.Generator().manual_seed(seed)
    digits = Digits.loaded()
    network = digits.perceptron((64, 64, 32, 10), digits.x, digits.digit, rng=rng)
    subject = Subject(network).output(0)
    zeros, others = digits.x[digits.digit == 0], digits.x[digits.digit != 0]
    concepts = count(200, scale)
    say(0, 1, f"{concepts} concepts")
    rate = null_rate(subject, zeros[:100], "3", digits.x, concepts=concepts, size=50, runs=20, nulls=99, rng=rng)
    itself = concept_activation(
        subject, zeros[:100], "3", zeros[100:150], random=others[:500], runs=20, nulls=99, rng=rng
    )
    rows = [measured(name(known.CONCEPT, "the class itself", "score"), itself.score, n=itself.n)]
    for how, value in (("against random concepts", rate.rate), ("t-test of runs", rate.t_test_rate)):
        low, high = clopper_pearson(round(value * concepts), concepts)
        row = name(known.CONCEPT, f"random concepts, {how}", "called used")
        rows.append(measured(row, value, n=concepts, low=low, high=high))
    return pd.DataFrame(rows).assign(cpu_seconds=time.process_time() - began)


def disentangled(*, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """DCI of codes made from five uniform factors; rotations are drawn anew each time."""
    began, repeats, n = time.process_time(), count(5, scale), 3000
    found: dict[str, list[float]] = {}
    made: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
        "permuted and scaled": lambda z, r: z[:, r.permutation(5)] * r.uniform(0.5, 3, 5),
        "tanh": lambda z, r: np.tanh(2 * z),
        "rotated": lambda z, r: z @ np.linalg.qr(r.normal(size=(5, 5)))[0],
        "three copies": lambda z, r: np.repeat(z, 3, 1),
        "unrelated": lambda z, r: r.normal(size=z.shape),
    }
    for repeat in range(repeats):
        for i, (factors, code) in enumerate(made.items()):
            say(repeat * len(made) + i, repeats * len(made), factors)
            rng = np.random.default_rng([seed, repeat, i])
            z = rng.uniform(-1, 1, (n, 5))
            codes, truth = torch.from_numpy(code(z, rng)), pd.DataFrame(z, columns=list("abcde"))
            for estimator in ("lasso", "forest") if factors in ("rotated", "three copies") else ("lasso",):
                got = dci(codes, truth, estimator=estimator, shuffles=3, rng=rng)
                which = f"{factors}, {estimator}"
                if factors == "unrelated":
                    found.setdefault(name(known.CODES, which, "refused"), []).append(
                        float(np.isnan(got.disentanglement))
                    )
                    continue
                found.setdefault(name(known.CODES, which, "disentanglement"), []).append(got.disentanglement)
                found.setdefault(name(known.CODES, which, "completeness"), []).append(got.completeness)
    seconds = time.process_time() - began
    return pd.DataFrame([measured(k, v, n=n, seconds=seconds) for k, v in found.items()])


def _own_logit(network: nn.Module, of: Tensor) -> Subject:
    """A network valued by the logit of one class."""
    return Subject(network).output(int(of))


def noise_and_masks(*, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """Randomised weights for two attributions; removal with retraining for the first."""
    began, rng = time.process_time(), torch.Generator().manual_seed(seed)
    digits = Digits.loaded()
    network = digits.perceptron((64, 64, 64, 10), digits.x, digits.digit, rng=rng)
    rows = []
    methods: dict[str, Attributor] = {
        "gradient_times_input": GradientTimesInput(), "integrated_gradients": IntegratedGradients(),
    }  # fmt: skip
    some = digits.x[: count(300, scale)]
    for i, (method, attributor) in enumerate(methods.items()):
        say(i, 3, method)
        check = randomised_weights(_own_logit(network, torch.tensor(3)), some, attributor, draws=5, rng=rng)
        for kind, value in (("signed", check.signed), ("absolute", check.absolute)):
            rows.append(measured(name(known.NOISE, method, f"{kind} rank correlation"), value, n=len(some)))
    say(2, 3, "retrain")

    def own(x: Tensor) -> Tensor:
        logits: Tensor = network(x)
        return logits.amax(1)

    found = methods["gradient_times_input"](Subject(network, own), digits.x)
    writers = np.arange(len(digits.x)) // 130
    left = retrain(digits.x, found, digits.digit.numpy(), groups=writers, shuffles=19, rng=np.random.default_rng(seed))
    rows.append(measured(name(known.MASK, "nothing removed", "accuracy"), left.accuracy, n=left.n))
    for ranking, share, accuracy, evidence in left.table[["ranking", "share", "accuracy", "evidence"]].itertuples(
        index=False
    ):
        rows.append(measured(name(known.MASK, ranking, "accuracy", share), accuracy, n=left.n))
        leaking = name(known.MASK, ranking, "mask called leaking", share)
        if leaking in known.KNOWN:
            rows.append(measured(leaking, float(not evidence), n=left.n))
    return pd.DataFrame(rows).assign(cpu_seconds=time.process_time() - began)


def digits_proxy(*, scale: float, seed: int, say: Say) -> pd.DataFrame:
    """What a perceptron 64-64-64-2 does when two pixels agree with the label in a share rho of the training rows."""
    began, repeats, digits = time.process_time(), count(3, scale), Digits.loaded()
    found: dict[str, list[float]] = {}
    label = digits.digit >= 5
    for i, rho in enumerate((0.5, 0.9, 0.99, 1.0)):
        for repeat in range(repeats):
            say(i * repeats + repeat, 4 * repeats, f"rho {rho:g}")
            rng = torch.Generator().manual_seed(100 * seed + repeat)
            train, test = digits.split(rng=rng)
            bit = torch.where(torch.rand(len(label), generator=rng) < rho, label, ~label)
            network = digits.perceptron((64, 64, 64, 2), _with(digits.x, bit)[train], label[train].long(), rng=rng)
            for measure, value in _proxied(network, digits, label, train, test, bit).items():
                found.setdefault(name(known.PROXY, "perceptron", measure, rho), []).append(value)
    seconds = time.process_time() - began
    return pd.DataFrame([measured(k, v, n=540, seconds=seconds) for k, v in found.items()])


def _with(x: Tensor, bit: Tensor) -> Tensor:
    """Pictures whose corner pixels show a bit ``[n]``."""
    x = x.clone()
    x[:, list(CORNERS)] = bit.float()[:, None]
    return x


def _proxied(
    network: nn.Sequential, digits: Digits, label: Tensor, train: Tensor, test: Tensor, bit: Tensor
) -> dict[str, float]:
    """Behaviour, attribution and decodability on test pictures."""

    def margin(rows: Tensor) -> Tensor:
        low, high = network(rows).unbind(1)
        difference: Tensor = high - low
        return difference

    subject = Subject(network, margin, ["3"])
    x, truth = digits.x[test], label[test]
    agree, conflict = _with(x, truth), _with(x, ~truth)
    said = [subject.values(rows) > 0 for rows in (agree, conflict)]
    random = _with(x, bit[test])
    mass = IntegratedGradients()(subject, random).on_observation().abs().flatten(1)
    share = mass[:, list(CORNERS)].sum(1) / mass.sum(1).clamp(min=1e-12)
    balanced = torch.rand(len(digits.x), generator=torch.Generator().manual_seed(0)) < 0.5
    seen = subject.activations(_with(digits.x, balanced))["3"].double().numpy()
    probe = Logistic(penalties=(1e-2,)).fit(seen[train], label[train].numpy())
    return {
        "accuracy in agreement": float((said[0] == truth).double().mean()),
        "accuracy in conflict": float((said[1] == truth).double().mean()),
        "flips with the proxy": float((said[0] != said[1]).double().mean()),
        "integrated gradients on the proxy": float(share.mean()),
        "linear probe of the concept": float((probe.predict(seen[test]) == truth.numpy()).mean()),
    }
