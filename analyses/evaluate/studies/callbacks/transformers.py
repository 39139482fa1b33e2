"""A study inside a Hugging Face ``Trainer``: ``Trainer(..., callbacks=[study.trainer(seed=0, ages=[0, 500])])``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transformers import TrainerCallback

from imprint.analyses.evaluate.studies.checkpoints import Adds


class StudyCallback(TrainerCallback):
    """Adds the trainer's model to a study after the planned numbers of steps of the optimiser."""

    def __init__(self, study: Adds, *, seed: int, ages: Sequence[int], subject: Callable[[Any], Any]) -> None:
        self.study, self.seed, self.subject = study, seed, subject
        self.due = sorted(ages)

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Ages up to where training begins, or goes on."""
        self._add(model, int(state.global_step))

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Ages that this step reached."""
        self._add(model, int(state.global_step))

    def _add(self, model: Any, step: int) -> None:
        while self.due and self.due[0] <= step:
            age = self.due.pop(0)
            if age == step:  # earlier ones were examined before training was interrupted, or never
                self.study.add(self.subject(model), age=age, seed=self.seed)
