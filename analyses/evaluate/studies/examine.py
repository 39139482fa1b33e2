"""One model of a study, examined at once: what can be read from it, and what its value depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imprint.analyses.evaluate.learners.exam import Exam, Examined
from imprint.analyses.evaluate.learners.latch import latch_of
from imprint.analyses.evaluate.studies.evidence import Kept, Key
from imprint.analyses.findings import findings
from imprint.analyses.latch.latch import Latch, latch_from_arrays
from imprint.analyses.latch.profile import Profile
from imprint.analyses.locate.targets import SiteReadings, readable
from imprint.models.errors import NotMeasurableError
from imprint.models.setup.study import StudySetup
from imprint.probes.subjects.subject import Subject

PRINTED = 32
"""Rows by which a model is known again."""
VALUE = "(value)"


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """All modules in evaluation mode until the block ends; then each in the mode in which it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def fingerprint_of(subject: Subject, exam: Exam, sites: Sequence[str]) -> dict[str, Tensor]:
    """Mean activation at every site, and the value, of the first rows."""
    first = exam.batch.observation[:PRINTED]
    values = subject.values(first).double()
    if not bool(torch.isfinite(values).all()):
        return {VALUE: values}
    activations = subject.activations(first, sites)
    return {**{site: x.double().mean(1) for site, x in activations.items()}, VALUE: values}


def fingerprint_of_arrays(activations: Mapping[str, Tensor], values: NDArray[np.floating] | None) -> dict[str, Tensor]:
    """Mean activation at every site, and the value where there is one, of the first rows."""
    given = {} if values is None else {VALUE: torch.from_numpy(np.asarray(values[:PRINTED], dtype=np.float64))}
    return {**{site: x[:PRINTED].double().mean(1) for site, x in activations.items()}, **given}


def examine_subject(
    exam: Exam, subject: Subject, key: Key, *, sites: Sequence[str], fingerprint: Mapping[str, Tensor]
) -> Kept:
    """Readings at ``sites`` and, of a trained model, shares, effects, erasure and attribution of its value."""
    named = type(subject.model).__name__
    bare = Kept(key, tuple(sites), named, fingerprint, diverged=True)
    if not bool(torch.isfinite(fingerprint[VALUE]).all()):
        return bare
    values = subject.values(exam.batch.observation).double().numpy()
    if not np.isfinite(values).all():
        return bare
    activations = readable(subject.activations(exam.batch.observation, sites))
    if key.untrained:
        readings = exam.targets.without_shuffles.read_sites(activations)
        return Kept(key, tuple(sites), named, fingerprint, readings, _profile(exam, values))
    judged = latch_of(subject, exam, None, rewarded=_setup(exam).rewarded)
    return _kept(key, sites, named, fingerprint, exam.targets.read_sites(activations), judged)


def examine_arrays(
    exam: Examined, activations: Mapping[str, Tensor], values: NDArray[np.floating] | None, key: Key
) -> Kept:
    """Readings of ``activations`` (site -> ``[n, d]``), and shares of ``values [n]`` where they are given."""
    sites, named = tuple(activations), "arrays"
    fingerprint = fingerprint_of_arrays(activations, values)
    found = readable(activations)
    if key.untrained:
        readings, profile = exam.targets.without_shuffles.read_sites(found), None
        if values is not None:
            profile = _profile(exam, values)
        return Kept(key, sites, named, fingerprint, readings, profile)
    readings = exam.targets.read_sites(found)
    if values is None:
        return Kept(key, sites, named, fingerprint, readings)
    setup = _setup(exam)
    judged = latch_from_arrays(
        values,
        exam.concepts,
        intended=setup.intended,
        proxies=setup.proxies,
        groups=exam.groups,
        decision=setup.decision,
        rewarded=setup.rewarded,
        resamples=setup.evaluation.resamples,
    )
    return _kept(key, sites, named, fingerprint, readings, judged)


def _setup(exam: Examined) -> StudySetup:
    assert isinstance(exam.setup, StudySetup)
    return exam.setup


def _profile(exam: Examined, values: NDArray[np.floating]) -> Profile | None:
    """Shares of an untrained twin's value; nothing where the concepts have no cells."""
    try:
        return Profile(exam.sums(values), {})
    except NotMeasurableError:
        return None


def _kept(
    key: Key, sites: Sequence[str], named: str, fingerprint: Mapping[str, Tensor], readings: SiteReadings, judged: Latch
) -> Kept:
    rows = findings(judged.findings.assign(seed=key.seed, age=key.age, seeds=1))
    return Kept(key, tuple(sites), named, fingerprint, readings, judged.profile, rows)
