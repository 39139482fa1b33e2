"""What every study shares: a folder in which evidence of models gathers, one at a time, and the run that it becomes."""

from __future__ import annotations

import shutil
import tempfile
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar, cast

import pandas as pd
import yaml

from imprint.analyses.evaluate.run import Run, read_setup
from imprint.analyses.evaluate.studies.evidence import keys_in
from imprint.analyses.evaluate.studies.folder import copy_evidence, require_own
from imprint.analyses.registration import begin, results_in, source_of
from imprint.models.errors import ImprintError
from imprint.models.files import alone_in, write_bytes
from imprint.models.notebook import card
from imprint.models.setup.agent_study import AgentStudySetup
from imprint.models.setup.study import StudySetup
from imprint.models.store import RunFolder

PATIENCE = 60.0
"""Seconds for which a process waits while another one begins the same study."""
S = TypeVar("S", StudySetup, AgentStudySetup)


class Gathering(ABC, Generic[S]):
    """Models that were trained elsewhere, of which evidence is kept; ``setup`` says what is asked of them."""

    setup: S
    """The question as it is registered."""
    _kept_in: Path | None
    """Where the user wants the evidence; None: in a temporary folder."""
    _folder: RunFolder

    def __contains__(self, key: object) -> bool:
        """Whether a model at ``(seed, age)`` was added, so that a loop can skip what it did before."""
        pair = key if isinstance(key, tuple) and len(key) == 2 else ()
        return bool(pair) and any((k.seed, k.age) == pair and not k.untrained for k in keys_in(self._folder))

    @property
    def added(self) -> pd.DataFrame:
        """seed, age, untrained of every model that was added."""
        keys = [(key.seed, key.age, key.untrained) for key in keys_in(self._folder)]
        return pd.DataFrame(keys, columns=["seed", "age", "untrained"])

    def __repr__(self) -> str:
        twins = self.added["untrained"].astype(bool)
        own = self.added[~twins]
        counted = f"{own['seed'].nunique()} seeds, {own['age'].nunique()} ages, {int(twins.sum())} untrained twins"
        return f"{type(self).__name__}({self.setup.run_name}: {counted})"

    def _repr_html_(self) -> str:
        added = self.added.assign(untrained=self.added["untrained"].astype(bool))
        own, twins = added[~added["untrained"]], int(added["untrained"].sum())
        ages = own.sort_values("age").groupby("seed")["age"]
        table = ages.agg(ages="count", first="min", last="max").reset_index() if len(own) else own[:0]
        counted = f"{len(own)} models of {own['seed'].nunique()} training seeds, {twins} untrained twins"
        first = f"No verdict yet: {counted} were added, and finish() gives one with its probability."
        return card(first, [self.setup.question], table, f"{self.setup.run_name}: what was added.")

    def finish(self, path: str | Path | None = None) -> Run:
        """Pool what was added into findings and verdict, and write the run.

        ``path``: folder of the run, replaced if it holds an earlier run of this study (default: the study's folder or,
        without one, ``runs/<name>-<digest>``). Models can be added afterwards, and the study finished again. Raises
        :class:`ImprintError` when no trained model was added, and for a path that holds something else.
        """
        started = time.time()
        if not any(not key.untrained for key in keys_in(self._folder)):
            raise ImprintError("nothing was added to this study, so there is nothing to pool; expected add(...) first.")
        chosen = Path(path) if path is not None else self._kept_in or Path("runs") / self.setup.run_name
        target = RunFolder(chosen)
        if chosen.resolve() != self._folder.path.resolve():
            copy_evidence(self._folder, target, self.setup)
        with alone_in(target.path):
            table = self._pool(target, started)
        return Run.of(target.path, setup=self.setup, findings=table)

    @abstractmethod
    def _pool(self, target: RunFolder, started: float) -> pd.DataFrame:
        """Write findings and record of the evidence in ``target``; the findings."""

    def _begin(
        self, rule: Iterable[str], share: Callable[[RunFolder], None], shared: Callable[[RunFolder], Path]
    ) -> None:
        """Make or check the folder, register, and ``share`` what all models share, unless its file is there."""
        path = self._kept_in
        if path is None:
            path = Path(tempfile.mkdtemp(prefix="imprint-study-"))
            weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        self._folder = RunFolder(path)
        with alone_in(path, wait=PATIENCE):
            if require_own(self._folder, self.setup, "folder"):
                self.setup = cast("S", read_setup(self._folder))  # with the question under which it was registered
            else:
                text = yaml.safe_dump(self.setup.resolved(), sort_keys=False, allow_unicode=True)
                write_bytes(self._folder.setup_file, text.encode())
            empty = not results_in(path, ("cells/*",))
            begin(path, self.setup.resolved(), source_of(rule), empty=empty, subject=self.setup.run_name)
            if not shared(self._folder).exists():
                share(self._folder)
