"""locate: which concepts can be read at which sites, and did the model learn them or were they given?

One row per concept and site; see :mod:`imprint.analyses.locate.evidence` for scores, floors and verdicts. All verdicts
are corrected together over the grid (Benjamini-Hochberg). The best site of each concept is chosen on one half of the
groups and scored on the other, so that looking in many places does not flatter the answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from imprint.analyses.locate.evidence import Evidence
from imprint.analyses.locate.judging import best_sites, judge
from imprint.analyses.locate.leaks import leaks_of, refused
from imprint.analyses.locate.streaming import Stream, read_stream
from imprint.analyses.locate.targets import Targets, merge_groups, readable, targets_of, unreadable
from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.probes.readouts.base import READOUTS
from imprint.probes.samples.arrays import count_of, real_array
from imprint.probes.samples.controls import compact_groups, folds_of

Arrays = Mapping[str, Any]


def locate(
    activations: Arrays | Stream,
    concepts: pd.DataFrame,
    *,
    groups: Any = None,
    untrained: Any = None,
    inputs: Any = None,
    readout: str = "ridge",
    nulls: int = 20,
    alpha: float = 0.05,
    seed: int = 0,
    folds: int = 5,
    resamples: int = 1000,
) -> pd.DataFrame:
    """Look for every concept at every site.

    Arguments:
        activations: site -> float array ``[n, d]``; or a stream of such mappings, batch by batch, for activations that
            do not fit in memory (see :mod:`imprint.analyses.locate.streaming`).
        concepts: n rows; bool, categorical or integer columns are classes, float columns are numbers.
        groups: one label per row; rows of one group are never split. None: every row is its own group.
        untrained: site -> ``[n, d]`` of a randomly initialised twin, or a list of such arrays for several twins; beside
            a stream, a list of streams.
        inputs: raw observations ``[n, p]`` (for sequences, all that was shown up to the site), or one such array per
            site.
        readout: kind of readout.
        nulls: label shuffles per concept, at least 5.
        alpha: false discovery rate over the whole grid.
        seed: of folds, shuffles and resamples.
        folds: cross-validation folds, groups kept together.
        resamples: bootstrap resamples.

    Returns one row per concept and site (columns as in ``imprint.analyses.locate.judging.COLUMNS``). ``score`` is
    balanced accuracy for classes and R2 for numbers, with a 95 % interval over groups. ``attrs["best"]``: concept ->
    site, score, low, high, selectivity, selectivity_low, selectivity_high of the best site, chosen on one half of the
    groups and scored on the other. ``attrs["rates"]``: per concept, site and class the area under the curve and the
    true and false positive rate at the probe's threshold. ``attrs["leaks"]``: what about the rows makes a score too
    good, looked for where a concept was found (:mod:`imprint.probes.samples.leaks`; not in streams). Rows that are not
    independent turn ``present`` into ``undetermined``.

    Raises :class:`ImprintError` for arguments that cannot be meant; data that cannot answer give ``not measurable``
    rows.
    """
    counts = {"nulls": (nulls, 5), "folds": (folds, 2), "resamples": (resamples, 20), "seed": (seed, 0)}
    for name, (given, least) in counts.items():
        count_of(name, given, least=least)
    if not (isinstance(alpha, float) and 0 < alpha < 1):
        raise ImprintError(f"alpha is {alpha!r}; expected a rate between 0 and 1.")
    names, n = _names(concepts), len(concepts)
    if (isinstance(activations, Mapping) and not activations) or not names:
        raise ImprintError("nothing to locate: activations and concepts must each hold at least one column.")
    chosen, rng = READOUTS.load(readout)(), np.random.default_rng(seed)
    x: dict[str, torch.Tensor] = {}
    twins: Any = untrained or ()
    if isinstance(activations, Mapping):
        x = {site: _matrix(f"activations[{site!r}]", a, n) for site, a in activations.items()}
        sites, twins = list(x), _twins(untrained, x, n)
    elif not (sites := list(next(iter(activations), {}))):
        raise ImprintError("the stream of activations holds no batch.")
    elif isinstance(untrained, Mapping):
        raise ImprintError("beside a stream of activations, untrained must be a list of streams, one per twin.")
    raw = _inputs(inputs, sites, n)
    evidence: dict[tuple[str, str], Evidence] = {}
    try:
        compact = compact_groups(groups, n)
        fold = folds_of(compact, folds, rng)
    except NotMeasurableError as error:
        problems = {(name, site): str(error) for name in names for site in sites}
    else:
        measurable, unmeasurable = targets_of(concepts, compact, chosen, nulls=nulls, rng=rng)
        targets = Targets(measurable, unmeasurable, chosen, fold, merge_groups(compact, rng))
        problems = {(name, site): why for name, why in unmeasurable.items() for site in sites}
        problems |= {(t.name, site): why for site, a in x.items() if (why := unreadable(a)) for t in measurable}
        evidence = _gather(x or activations, targets, twins, raw) if measurable else {}
    table = judge({k: [v] for k, v in evidence.items()}, problems, alpha=alpha, resamples=resamples, rng=rng)
    leaks = leaks_of(x, concepts, table, groups=groups, rng=rng.spawn(1)[0]) if x else []
    table = refused(table, leaks)
    table.attrs["best"] = best_sites({k: [v] for k, v in evidence.items()}, resamples=resamples, rng=rng)
    table.attrs["rates"] = _rates_table(evidence)
    table.attrs["leaks"] = pd.DataFrame(leaks, columns=["concept", "site", "kind", "why", "rows", "p_value"])
    order = {cell: i for i, cell in enumerate((name, site) for name in names for site in sites)}
    rank = [order[cell] for cell in zip(table["concept"], table["site"], strict=True)]
    return table.iloc[np.argsort(rank, kind="stable")].reset_index(drop=True)


def _names(concepts: pd.DataFrame) -> list[str]:
    """Names of the columns, each of which must be there once."""
    if not isinstance(concepts, pd.DataFrame):
        raise ImprintError(f"concepts is a {type(concepts).__name__}; expected a pandas DataFrame, one row per sample.")
    names = [str(name) for name in concepts.columns]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ImprintError(f"concepts has two columns called {repeated[0]!r}; give each its own name.")
    return names


def _gather(
    activations: Arrays | Stream, targets: Targets, twins: Any, raw: Mapping[str, NDArray[np.float32]]
) -> dict[tuple[str, str], Evidence]:
    """(concept, site) -> evidence, at the sites that can be read.

    ``twins``: site -> arrays, or beside a stream a list of streams. ``raw``: site -> raw input.
    """
    bare = targets.without_shuffles
    if isinstance(activations, Mapping):
        readings = {site: targets.read(a) for site, a in readable(activations).items()}
        untrained = {site: [bare.read(twin) for twin in twins.get(site, ())] for site in readings}
    else:
        readings = read_stream(activations, targets)
        streams = [read_stream(twin, bare) for twin in twins]
        if missing := [site for site in readings for twin in streams if site not in twin]:
            raise unknown_name("site in untrained", missing[0], streams[0])
        untrained = {site: [twin[site] for twin in streams] for site in readings}
    floors = {id(inputs): targets.read_inputs(inputs) for inputs in raw.values()}
    return {
        (concept, site): Evidence(
            reading,
            np.stack([twin[concept].sums for twin in untrained[site]]) if untrained[site] else None,
            floors[id(raw[site])][concept].sums if site in raw else None,
        )
        for site, of_site in readings.items()
        for concept, reading in of_site.items()
    }


def _rates_table(evidence: Mapping[tuple[str, str], Evidence]) -> pd.DataFrame:
    """Area under the curve and thresholded rates per concept, site and class."""
    rows = [
        (concept, site, label, *rates)
        for (concept, site), e in evidence.items()
        if e.reading.rates is not None
        for label, rates in zip(e.reading.labels, e.reading.rates.tolist(), strict=True)
    ]
    return pd.DataFrame(rows, columns=["concept", "site", "class", "auc", "true_positive_rate", "false_positive_rate"])


def _matrix(name: str, value: Any, n: int) -> torch.Tensor:
    array = real_array(name, value)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ImprintError(f"{name} has shape {array.shape}; expected two axes, rows by units [n, d].")
    if len(array) != n:
        raise ImprintError(
            f"{name} has {len(array)} rows but concepts has {n}; each row must describe the same sample."
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is not measurable
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _twins(untrained: Arrays | None, sites: Collection[str], n: int) -> dict[str, list[torch.Tensor]]:
    out: dict[str, list[torch.Tensor]] = {}
    for site, given in (untrained or {}).items():
        if site not in sites:
            raise unknown_name("site in untrained", site, sites)
        whole = given if isinstance(given, list | tuple) else real_array(f"untrained[{site!r}]", given)
        arrays = list(whole) if isinstance(whole, list | tuple) or whole.ndim == 3 else [whole]
        out[site] = [_matrix(f"untrained[{site!r}]", a, n) for a in arrays]
        if bad := [w for w in map(unreadable, out[site]) if w]:
            raise ImprintError(f"untrained[{site!r}]: {bad[0]}.")
    return out


def _inputs(inputs: Any, sites: Collection[str], n: int) -> dict[str, NDArray[np.float32]]:
    if inputs is None:
        return {}
    given = inputs if isinstance(inputs, Mapping) else dict.fromkeys(sites, inputs)
    out, seen = {}, {}
    for site, value in given.items():
        if site not in sites:
            raise unknown_name("site in inputs", site, sites)
        if id(value) not in seen:
            array = real_array("inputs", value)
            flat = array.reshape(len(array), int(np.prod(array.shape[1:]))) if array.ndim > 2 else array
            seen[id(value)] = _matrix("inputs", flat, n).numpy()
            if not np.isfinite(seen[id(value)]).all():
                raise ImprintError("inputs hold NaN or infinite values.")
        out[site] = seen[id(value)]
    return out
