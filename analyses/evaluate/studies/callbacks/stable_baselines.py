"""A study inside ``learn`` of Stable-Baselines3: ``PPO(...).learn(steps, callback=study.stable_baselines(...))``.

Environments are stepped several at once, so an age is examined at the first step that reaches it, under the age that
was planned, and so under the same age for all seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from imprint.analyses.evaluate.studies.checkpoints import Adds


class StudyCallback(BaseCallback):
    """Adds the agent to a study when it has taken the planned numbers of steps."""

    def __init__(self, study: Adds, *, seed: int, ages: Sequence[int], subject: Callable[[Any], Any]) -> None:
        super().__init__()
        self.study, self.seed, self.subject = study, seed, subject
        self.due = sorted(ages)

    def _on_training_start(self) -> None:
        self._add()

    def _on_step(self) -> bool:
        self._add()
        return True

    def _on_training_end(self) -> None:
        self._add()

    def _add(self) -> None:
        while self.due and self.due[0] <= self.num_timesteps:
            self.study.add(self.subject(self.model), age=self.due.pop(0), seed=self.seed)
