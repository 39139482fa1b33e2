"""Attributions scored on planted networks: are they exact where that is known, and do they point at what is read?

Every method is given :data:`ROWS` images of each planted network, as a user would run it. Methods that attribute to a
site attribute to the hidden units, of which some are read and some are spare. What is counted, mean over samples:

    completeness        largest error of the sum, in sd of the value
    exactness           error against w * (x - mean) where the value is linear (hidden units: always), root mean squares
    mass, area          part of the absolute attribution on the truth (pixels or units that are read), and its size
    decoy, decoy_area   the same for signs that a site shows and the value does not read
    pointing, chance    how often the top element lies on the truth, and how often a random one would
    power               part of the samples in which the interval of pointing lies above chance
    false_positive      the same on an untrained network, whose painted pixels are not special

and on a part of the samples (``checked`` says how many):

    deletion, insertion         areas under the curves, beside those of a random ranking and of the pixels' variance
    infidelity, sensitivity     error of predicted changes relative to none; largest relative change under small noise
    randomised, ..._absolute    rank correlation, signed and of sizes, with attributions of randomised weights
    depends_on_weights          part in which the signed one says so
    leaks                       part in which the removal mask predicts the concept, so that retraining is no evidence

Testing with concept activation vectors (``tcav``) is done at each site that tells the value something: power at left
where the concept acts through it, false positives where it does not act, and in the untrained network with concepts
that are random rows; ``not_measurable`` is the part of the sites without a gradient.

Letters: n rows, h hidden units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.questions.instruments.networks import PLANS, Observed, PlantedNetwork, number_of
from imprint.analyses.statistics import NAN
from imprint.models.errors import NotMeasurableError, unknown_name
from imprint.probes.attributions.base import ATTRIBUTIONS, Attribution, Attributor, LayerAttributor
from imprint.probes.causal.concept_activation import concept_activation
from imprint.probes.scoring.attributions import infidelity, max_sensitivity, pointing, removal
from imprint.probes.scoring.sanity import randomised_weights, retrain

TCAV = "tcav"
METHODS = (*ATTRIBUTIONS.names(), TCAV)
ROWS, NOISE = 100, 0.5
EXAMPLES, POOL = 40, 200
"""Examples of a concept, and of anything, for concept activation vectors."""
PART = {
    "shapley_sampling": 0.1,
    "integrated_gradients": 0.4,
    "layer_integrated_gradients": 0.6,
    "layer_conductance": 0.2,
}
"""Part of the samples that a slow method is given; others get all."""
CHECKED = {"shapley_sampling": 0.02}
"""Part of the samples that are checked; :data:`USUALLY` for other methods."""
USUALLY = 0.05
ALPHA = 0.05
SITE = "relu"
"""To whose units methods for sites attribute."""
COLUMNS = (
    *("samples", "n", "completeness", "exactness", "mass", "area", "decoy", "decoy_area", "pointing", "chance"),
    *("power", "false_positive", "located", "not_measurable", "checked", "deletion", "insertion"),
    *("deletion_random", "insertion_random", "deletion_variance", "insertion_variance", "infidelity", "sensitivity"),
    *("randomised", "randomised_absolute", "depends_on_weights", "leaks"),
)
SATURATED = "misleads: where both copies agree the clipped sum saturates, and its slope there is zero"
ONE_BY_ONE = "misleads: either copy suffices, so removing one pixel, or one window, changes little"
NOTES = {
    ("gradient_times_input", "redundant"): SATURATED,
    ("feature_ablation", "redundant"): ONE_BY_ONE,
    ("occlusion", "redundant"): ONE_BY_ONE,
    (TCAV, "proxy"): "misleads: the vector of the concept points along the proxy too",
    (TCAV, "redundant"): "misleads: where the clipped sum saturates for all rows there is no gradient to test",
    (TCAV, "xor"): "misleads: no linear direction encodes the concept, although it is used",
}
"""(method, network) -> where a method is known to mislead."""
UNTRAINED = "rows share one random network, so an interval over rows says nothing about what training did"


def score(method: str, *, samples: int, seed: int, say: Say, networks: Sequence[str] = tuple(PLANS)) -> pd.DataFrame:
    """One row per network. Raises :class:`UnknownNameError`."""
    if method not in METHODS:
        raise unknown_name("attribution", method, METHODS)
    repeats = max(2, round(samples * PART.get(method, 1.0)))
    checked = max(1, round(samples * CHECKED.get(method, USUALLY)))
    rows = []
    for done, name in enumerate(networks, start=1):
        drawn = []
        for r in range(repeats):
            world = (seed * 100 + number_of(name)) * 10_000 + r
            rng = torch.Generator().manual_seed(world)
            network = PlantedNetwork(name, noise=NOISE, world=world)
            seen = network.observe(ROWS, rng=rng)
            if method == TCAV:
                drawn.append(_concept(network, seen, rng))
            else:
                drawn.append(_attributed(method, network, seen, checked=r < checked, rng=rng))
        rows.append(_row(method, name, pd.DataFrame(drawn)))
        say(done, len(networks), f"{method}: {name}")
    return pd.DataFrame(rows)


def _row(method: str, name: str, drawn: pd.DataFrame) -> dict[str, Any]:
    means: dict[str, Any] = {str(k): v for k, v in drawn.reindex(columns=list(COLUMNS)).mean().items()}
    note = NOTES.get((method, name), UNTRAINED if PLANS[name].random and method != TCAV else "")
    n = EXAMPLES if method == TCAV else ROWS
    checked = int(drawn.get("deletion", pd.Series(dtype=float)).notna().sum())
    return {"method": method, "network": name, **means, "samples": len(drawn), "n": n, "checked": checked, "note": note}


def _attributed(
    method: str, network: PlantedNetwork, seen: Observed, *, checked: bool, rng: torch.Generator
) -> dict[str, float]:
    kind = ATTRIBUTIONS.load(method)
    units = issubclass(kind, LayerAttributor)
    attributor: Attributor = kind(site=SITE) if units else kind()
    attribution = attributor(network.subject(), seen.observation)
    exact, truth, decoy = _units(network, seen) if units else _pixels(network, seen)
    out = {"completeness": float(attribution.completeness_error.abs().max() / attribution.value.std())}
    out["exactness"] = NAN if exact is None else float((attribution.attributions - exact).norm() / exact.norm())
    out |= _where(replace(attribution, site=None), truth, decoy, random=network.plan.random)
    return out | _checks(network, seen, attributor, attribution, rng=rng) if checked and not units else out


def _pixels(network: PlantedNetwork, seen: Observed) -> tuple[Tensor | None, Tensor, Tensor]:
    """Exact attributions if the value is linear, the pixels that are read, and those that are painted and not read.

    Nothing is read by design in an untrained network: there the painted pixels stand in, which should look like others.
    """
    x, plan = seen.observation, network.plan
    exact = network.weight() * (x - x.mean(0)) if plan.linear else None
    truth = network.pixels(plan.read or plan.signs)
    return exact, truth, network.pixels(plan.signs) & ~truth


def _units(network: PlantedNetwork, seen: Observed) -> tuple[Tensor, Tensor, Tensor]:
    """Exact attributions of the hidden units, those that are read, and the spare ones."""
    with torch.no_grad():
        branches = [network.branches(x) for x in (seen.observation, seen.observation.mean(0, keepdim=True))]
        hidden, start = (network.relu(network.hidden(torch.cat(list(sites.values()), 1))) for sites in branches)
        weight = network.out.weight[0].clone()
    return weight * (hidden - start), weight != 0, weight == 0


def _where(attribution: Attribution, truth: Tensor, decoy: Tensor, *, random: bool) -> dict[str, float]:
    shape = attribution.attributions
    masks = {"truth": truth.expand_as(shape), "decoy": decoy.expand_as(shape)}
    table = attribution.mass_on(masks).set_index("concept")
    out = {"mass": float(table["mass"]["truth"]), "area": float(table["area"]["truth"])}
    if bool(decoy.any()):
        out |= {"decoy": float(table["mass"]["decoy"]), "decoy_area": float(table["area"]["decoy"])}
    if bool(truth.all()):
        return out
    point = pointing(attribution, masks["truth"])
    out |= {"pointing": point.accuracy, "chance": point.chance}
    return out | {"false_positive" if random else "power": float(point.low > point.chance)}


def _checks(
    network: PlantedNetwork, seen: Observed, attributor: Attributor, attribution: Attribution, *, rng: torch.Generator
) -> dict[str, float]:
    subject, x = network.subject(), seen.observation
    areas = removal(subject, x, attribution, steps=12, rng=rng).areas
    predicted = infidelity(subject, x, attribution, samples=16, rng=rng)
    moved = max_sensitivity(subject, x, attributor, samples=4, rng=rng)
    noise = randomised_weights(subject, x, attributor, draws=2, rng=rng)
    numbers = np.random.default_rng(int(torch.randint(2**31, (1,), generator=rng)))
    again = retrain(x, attribution, seen.concept.numpy(), shares=(0.2,), shuffles=19, rng=numbers).table
    return {
        "deletion": areas["deletion"]["attribution"],
        "insertion": areas["insertion"]["attribution"],
        **{f"{column}_{rank}": areas[column][rank] for column in areas.columns for rank in ("random", "variance")},
        "infidelity": predicted.relative,
        "sensitivity": float(moved.mean()),
        "randomised": noise.signed,
        "randomised_absolute": noise.absolute,
        "depends_on_weights": float(noise.verdict == "depends on the weights"),
        "leaks": float(not again.set_index("ranking")["evidence"]["attribution"]),
    }


def _concept(network: PlantedNetwork, seen: Observed, rng: torch.Generator) -> dict[str, float]:
    """Tests at each site that tells the value something; one whose gradient is zero there is not measurable."""
    pool = network.observe(POOL, rng=rng).observation
    more = network.observe(4 * EXAMPLES, rng=rng)
    concept = (more.observation if network.plan.random else more.observation[more.concept])[:EXAMPLES]
    subject, how = network.subject(), {"runs": 10, "nulls": 39}
    p_values = {}
    for site in network.plan.matters:
        try:
            tested = concept_activation(subject, seen.observation, site, concept, random=pool, **how, rng=rng)
            p_values[site] = tested.p_value
        except NotMeasurableError:
            p_values[site] = NAN
    acts = network.plan.acts
    wrong = [p <= ALPHA for site, p in p_values.items() if site not in acts]
    out = {"false_positive": float(np.mean(wrong)) if wrong else NAN}
    out["not_measurable"] = float(np.isnan(list(p_values.values())).mean())
    if not acts:
        return out
    known = {site: p for site, p in p_values.items() if p == p}
    located = float(min(known, key=known.__getitem__) in acts) if known else NAN
    return out | {"power": float(p_values["left"] <= ALPHA), "located": located}
