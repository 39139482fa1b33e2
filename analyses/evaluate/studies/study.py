"""Study: your models, your training loop, your world; the same page as a run of ours.

    study = imprint.Study(world, intended="food", proxies=["bell"], question="Did the reward latch onto food?")
    for seed in range(3):
        ...                                                   # your loop; at every checkpoint:
            study.add(imprint.Subject(model), age=step, seed=seed)
    study.add(imprint.Subject(make_model()), age=0, seed=seed, untrained=True)   # five or more, the floor
    run = study.finish("runs/mine")                           # then imprint.report(run), compare, verify

A model is examined when it is added, on held-out rows that are the same for all, and only evidence is kept
(:mod:`imprint.analyses.evaluate.studies.evidence`): the model may change or go. Question and decision rule are
registered when the study begins, before the first result; seeds and ages are those that are added.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from imprint.analyses.engine import Cell, Outcome
from imprint.analyses.evaluate.learners.exam import Exam, Examined
from imprint.analyses.evaluate.learners.pictures import gallery, overlays, picture_files, write_pictures
from imprint.analyses.evaluate.learners.robustness import unchangeable
from imprint.analyses.evaluate.places import write_places
from imprint.analyses.evaluate.record import write_findings
from imprint.analyses.evaluate.studies import checkpoints
from imprint.analyses.evaluate.studies import exam as exams
from imprint.analyses.evaluate.studies.arguments import (
    activations_of,
    as_rows,
    ground_given,
    ground_of,
    key_of,
    name_of,
    study_setup,
    values_of,
)
from imprint.analyses.evaluate.studies.checkpoints import PATTERN
from imprint.analyses.evaluate.studies.evidence import (
    Kept,
    Key,
    another_as,
    apart,
    keys_in,
    read_kept,
    same_as,
    write_kept,
)
from imprint.analyses.evaluate.studies.examine import (
    evaluating,
    examine_arrays,
    examine_subject,
    fingerprint_of,
    fingerprint_of_arrays,
)
from imprint.analyses.evaluate.studies.gathering import Gathering
from imprint.analyses.evaluate.studies.pooling import INPUT, StudyPooling
from imprint.analyses.findings import findings
from imprint.analyses.latch.arguments import sign_of
from imprint.analyses.locate.stored import write_floors
from imprint.analyses.statistics import Floats
from imprint.models.errors import ImprintError, NotMeasurableError, UnknownNameError
from imprint.models.files import write_table
from imprint.models.setup.learner import Decision
from imprint.models.setup.study import StudySetup
from imprint.models.store import RunFolder
from imprint.models.worlds.base import World
from imprint.probes.door.labels import table_of
from imprint.probes.door.rows import require_one_order
from imprint.probes.subjects.subject import Subject

TWINS = 8
"""Untrained twins that are held for a later search."""
LABELS = (
    "There is no world that could change a concept alone: what is called a latch is what the value goes with, and not "
    "what it depends on. Effects, erasure and attribution were not measured."
)


class Study(Gathering[StudySetup]):
    """Models that were trained elsewhere, examined one by one and judged together."""

    def __init__(
        self,
        world: World | pd.DataFrame | Mapping[str, Any],
        *,
        intended: str,
        proxies: Sequence[str],
        question: str = "",
        decision: Decision | Mapping[str, Any] | None = None,
        concepts: Sequence[str] = (),
        sites: Sequence[str] | None = None,
        groups: Any = None,
        inputs: Any = None,
        evaluation: Mapping[str, Any] | None = None,
        rewarded: Any = None,
        name: str | None = None,
        unit: str = "steps",
        folder: str | Path | None = None,
    ) -> None:
        """Begin a study, or go on with the one in ``folder``.

        Arguments:
            world: of your own, an instance of a subclass of ``imprint.World``; or a table of labels of n rows, for a
                study of arrays (:meth:`add_arrays`), which says less.
            intended: the concept that the reward was meant for.
            proxies: concepts that went along with it in training.
            question: in a sentence, for the top of the page.
            decision: thresholds of the rule, if not its defaults (:class:`imprint.models.setup.learner.Decision`).
            concepts: further concepts to locate.
            sites: where activations are read; by default those of the first model that is added.
            groups: of labels, one per row: rows that must not straddle a split. Worlds have their own.
            inputs: of labels, the raw input ``[n, p]``, a floor.
            evaluation: settings of the examination, if not its defaults, for example ``{"episodes": 400}``
                (:class:`imprint.models.setup.learner.Evaluation`).
            rewarded: level of the intended concept that is rewarded (default: the last; ``True`` of yes and no).
            name: lower-case name of the run; by default that of the world's class.
            unit: what ages count, in the plural, for the page: ``"steps"``, ``"episodes"``, ``"tokens"``.
            folder: where evidence is kept, so that a training that was killed can go on; several processes may add to
                one folder. Without it, evidence is kept in a temporary folder until :meth:`finish`.

        Raises :class:`ImprintError` for what does not fit together, and for a folder that holds another study.
        """
        self._world, labels, rows = ground_given(world, groups, inputs)
        self._order = pd.Index([]) if isinstance(world, World) else table_of(world).index
        known = self._world.concepts if self._world is not None else tuple(labels.columns)
        self.setup = study_setup(
            known,
            study="labels" if self._world is None else "world",
            name=name_of(name, "labels" if self._world is None else type(self._world).__name__),
            question=question,
            world=ground_of(self._world, labels, rows),
            intended=intended,
            proxies=proxies,
            concepts=concepts,
            rewarded=None if rewarded is None else str(rewarded),
            unit=unit,
            evaluation=dict(evaluation or {}),
            decision=decision.model_dump() if isinstance(decision, Decision) else dict(decision or {}),
        )
        if isinstance(sites, str):
            raise ImprintError(f"sites is the text {sites!r}; expected a list of names, for example [{sites!r}].")
        self._sites = None if sites is None else tuple(sites)
        self._kept_sites: tuple[str, ...] | None = None
        self._exam: Examined = (
            exams.labels_exam(self.setup, labels, rows)
            if self._world is None
            else exams.world_exam(self.setup, self._world)
        )
        self._check_rewarded()
        self._latest: dict[int, tuple[int, Subject | Floats | None]] = {}
        self._twins: list[Subject] = []
        self._kept_in = None if folder is None else Path(folder)
        share = partial(self._store_shared, inputs=inputs)
        self._begin(StudyPooling.rule, share, lambda folder: folder.cell("limits"))

    # -- adding --------------------------------------------------------------------------------------------------

    def add(self, subject: Any, *, age: int, seed: int, untrained: bool = False) -> bool:
        """Examine a model now; whether anything was done: False for a model that had been added before.

        ``subject``: a ``Subject``, or what one can be made of whose value needs no other function.
        ``age``: how much it has learned, in the study's unit. ``seed``: which
        training run it belongs to. ``untrained``: it is a randomly initialised twin, part of the floor. Modules are in
        evaluation mode meanwhile and then in the mode in which they were. Raises :class:`ImprintError` for another
        model at a seed and age that were added before, for the same model as another seed, for a world that has
        changed, and for other sites than before.
        """
        if self._world is None or not isinstance(self._exam, Exam):
            raise ImprintError("this study has labels and no world, so a model cannot be shown anything: add_arrays.")
        subject = subject if isinstance(subject, Subject) else Subject(subject)
        key = key_of(seed, age, untrained)
        if exams.world_digest(self._world) != self.setup.world.digest:
            raise ImprintError(
                f"{type(self._world).__name__} gives other rows than when the study began, so models would not be "
                "examined alike; begin another study for the changed world."
            )
        if untrained:
            self._twins = [*self._twins, subject][:TWINS]
        else:
            self._remember(key, subject)
        with evaluating(subject.model):
            sites = self._agreed(subject.sites(self._exam.batch.observation), subject.declared)
            _require_sites(subject, sites)
            fingerprint = fingerprint_of(subject, self._exam, sites)
            if self._known(key, fingerprint):
                return False
            kept = examine_subject(self._exam, subject, key, sites=sites, fingerprint=fingerprint)
            write_kept(self._folder, kept)
            if not untrained and not kept.diverged:
                self._draw(subject, key)
        return True

    def add_arrays(
        self, activations: Mapping[str, Any], *, age: int, seed: int, values: Any = None, untrained: bool = False
    ) -> bool:
        """Examine arrays of the labelled rows now; whether anything was done.

        ``activations``: site -> ``[n, d]``. ``values``: the number per row that the model gives, ``[n]``; without it
        nothing is said of what the value goes with. The rest is as in :meth:`add`.
        """
        if self._world is not None:
            raise ImprintError("this study has a world; expected add(subject), which shows it to the model.")
        n, key = len(self._exam.concepts), key_of(seed, age, untrained)
        require_one_order(self._order, activations=activations, values=values)
        arrays = activations_of(activations, n)
        arrays = {site: arrays[site] for site in self._agreed(tuple(arrays), tuple(arrays))}
        value = None if values is None else values_of(values, n)
        if not untrained:
            self._remember(key, None if value is None else value.astype(np.float64))
        if self._known(key, fingerprint_of_arrays(arrays, value)):
            return False
        write_kept(self._folder, examine_arrays(self._exam, arrays, value, key))
        return True

    def add_checkpoints(
        self, folder: str | Path, make: Callable[[], Any], *, pattern: str = PATTERN, untrained: int = 5
    ) -> list[Path]:
        """Examine safetensors checkpoints in a folder, and untrained twins; the files that were examined now.

        ``make()`` gives a new, randomly initialised model: a module, a pair (module, value) or a ``Subject``; the
        weights of every file are loaded into one. ``pattern``: path of a file inside the folder, in which ``{seed}``
        and ``{age}`` are whole numbers. ``untrained``: how many models of ``make`` are examined as they are.
        """
        return list(checkpoints.added(self, Path(folder), make, pattern=pattern, untrained=untrained))

    def stable_baselines(self, *, seed: int, ages: Sequence[int], subject: Callable[[Any], Any] = Subject) -> Any:
        """A callback for ``learn`` of Stable-Baselines3 that adds the agent when it has taken ``ages`` steps.

        ``subject``: makes what is added from the algorithm; by default its critic.
        """
        from imprint.analyses.evaluate.studies.callbacks.stable_baselines import StudyCallback

        return StudyCallback(self, seed=seed, ages=ages, subject=subject)

    def trainer(self, *, seed: int, ages: Sequence[int], subject: Callable[[Any], Any] = Subject) -> Any:
        """A callback for a Hugging Face ``Trainer`` that adds its model after ``ages`` steps of the optimiser.

        ``subject``: makes what is added from the model, for example ``lambda model: Subject(model, value)``.
        """
        from imprint.analyses.evaluate.studies.callbacks.transformers import StudyCallback

        return StudyCallback(self, seed=seed, ages=ages, subject=subject)

    # -- what is at hand -----------------------------------------------------------------------------------------

    @property
    def exam(self) -> Examined:
        """The rows on which models are examined."""
        return self._exam

    @property
    def folder(self) -> Path:
        """Where evidence is kept, and what is written beside it goes into the run."""
        return self._folder.path

    @property
    def untrained_models(self) -> tuple[Subject, ...]:
        """The first untrained twins that were added to this object."""
        return tuple(self._twins)

    def latest(self) -> dict[int, Subject | Floats | None]:
        """Seed -> the model that was added to this object at the seed's last age; of arrays its values.

        They are held as long as the study is, and a model that was trained on since is as it is now.
        """
        return {seed: held for seed, (_, held) in self._latest.items()}

    def _remember(self, key: Key, held: Subject | Floats | None) -> None:
        if key.age >= self._latest.get(key.seed, (key.age, None))[0]:
            self._latest[key.seed] = (key.age, held)

    # -- finishing -----------------------------------------------------------------------------------------------

    def _pool(self, target: RunFolder, started: float) -> pd.DataFrame:
        pooling = StudyPooling(self.setup, target)
        outcomes = [_done(cell) for cell in pooling.examining(pooling.reached) if not cell.done]
        table = pooling.findings(outcomes, None)
        subjects = sorted({read_kept(target, key, self._regression, None).subject for key in pooling.trained})
        write_findings(pooling, outcomes, table, started=started, subjects=subjects, rows=len(self._exam.concepts))
        return table

    # -- parts ---------------------------------------------------------------------------------------------------

    @property
    def _regression(self) -> dict[str, bool]:
        return {target.name: target.regression for target in self._exam.targets.concepts}

    def _check_rewarded(self) -> None:
        try:
            sign_of(self._exam.design.levels[0], self.setup.rewarded)
        except NotMeasurableError:
            return  # which is said at the end

    def _store_shared(self, folder: RunFolder, inputs: Any) -> None:
        """The rows, the raw input's floor, and what the world cannot change."""
        exam = self._exam
        exams.write_exam(folder, exam)
        raw = exam.batch.observation.flatten(1).float().numpy() if isinstance(exam, Exam) else None
        if inputs is not None:
            raw = as_rows("inputs", inputs, len(exam.concepts)).numpy()
        readings = {} if raw is None else exam.targets.without_shuffles.read_inputs(raw)
        write_floors(folder, 0, {}, {(INPUT, concept): reading for concept, reading in readings.items()})
        limits = unchangeable(exam) if isinstance(exam, Exam) else [LABELS]
        row = {"analysis": "latch", "metric": "limit", "concept": self.setup.intended, "estimate": 1.0}
        table = findings([{**row, "why": why} for why in limits]).assign(setup=self.setup.run_name)
        write_table(folder.cell("limits"), findings(table))

    def _agreed(self, sites: tuple[str, ...], declared: tuple[str, ...]) -> tuple[str, ...]:
        """The sites of the study, those of what was added first. Raises :class:`ImprintError` for others."""
        chosen: tuple[str, ...] | None = self._sites
        named: tuple[str, ...] | None = declared
        if self._kept_sites is None and (keys := keys_in(self._folder)):
            self._kept_sites = read_kept(self._folder, keys[0], self._regression, None).sites
        if self._kept_sites is not None:
            chosen, named = self._kept_sites, named or self._sites
        if chosen is not None and named and set(named) != set(chosen):
            raise ImprintError(f"sites are {', '.join(named)}; expected those of this study: {', '.join(chosen)}.")
        agreed = sites if chosen is None else chosen
        self._sites = agreed
        return agreed

    def _known(self, key: Key, fingerprint: Mapping[str, torch.Tensor]) -> bool:
        """Whether the model was added before. Raises :class:`ImprintError` when something else stands in its place."""
        keys = keys_in(self._folder)
        if key in keys:
            if self._read(key).same_model(fingerprint):
                return True
            raise another_as(key)
        for other in keys:
            if apart(key, other) and self._read(other).same_model(fingerprint):
                raise same_as(key, other)
        return False

    def _read(self, key: Key) -> Kept:
        return read_kept(self._folder, key, self._regression, None)

    def _draw(self, subject: Subject, key: Key) -> None:
        """Pictures of the first seed at its last age, where the world's observations can be drawn."""
        keys = [k for k in keys_in(self._folder) if not k.untrained]
        if key.seed != min(k.seed for k in keys) or key.age != max(k.age for k in keys if k.seed == key.seed):
            return
        assert isinstance(self._exam, Exam)
        observation = self._exam.batch.observation
        write_places(self._folder, subject, self._sites or subject.sites(observation), observation, self._exam.world)
        for file, draw in zip(picture_files(self._folder), (gallery, overlays), strict=True):
            try:
                arrays = draw(self._exam, subject)
            except ImprintError:
                continue  # such observations are no pictures
            write_pictures(file, arrays, self._exam, seed=key.seed, age=key.age)


def _require_sites(subject: Subject, sites: Sequence[str]) -> None:
    try:
        for site in sites:
            subject.site(site)
    except UnknownNameError as error:
        read = f"All models of a study are read at the same sites; those of this one are {', '.join(sites)}."
        raise ImprintError(f"{error} {read}") from None


def _done(cell: Cell) -> Outcome:
    started, error = time.perf_counter(), None
    try:
        cell.function(*cell.arguments)
    except ImprintError as problem:
        error = str(problem)
    return Outcome(cell.name, error, round(time.perf_counter() - started, 2))
