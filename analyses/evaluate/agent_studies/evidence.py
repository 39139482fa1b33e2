"""What is kept of every policy that was added: what it attained on every level, scores and rows; no weights.

    cells/seed-<k>-age-<n>.parquet        findings of this policy alone that need no floor
    cells/seed-<k>-age-<n>.safetensors    policy|tries [L, 1 + 4 G] (:meth:`Tries.packed`), the critic line, readings,
                                          policy|weights [P]: their mean sizes, by which it is known again

an untrained twin is ``twin-<k>-age-<n>``, random play ``random-play``. The header of the tensors holds ``subject``
(what it is), ``problem`` (why nothing was erased; empty when goals were), ``silent`` (why there is no critic line) and
``notes`` (JSON list of sentences).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from imprint.analyses.evaluate.studies.evidence import Key, nearly
from imprint.analyses.findings import findings
from imprint.analyses.goals.critic_line import CriticLine
from imprint.analyses.goals.levels.exam import Tried
from imprint.analyses.goals.rows import Row, behaviour_rows, causal_rows, critic_rows, habit_rows
from imprint.analyses.goals.wanting import Tries
from imprint.analyses.locate.stored import packed_readings, unpacked_readings
from imprint.analyses.locate.targets import SiteReadings
from imprint.analyses.statistics import Floats
from imprint.models.files import read_table, write_table
from imprint.models.store import RunFolder, read_tensors, write_tensors

RANDOM = "random-play"
"""Name of the files of random play."""


@dataclass(frozen=True)
class KeptPolicy:
    """Evidence of one policy."""

    key: Key | None
    """None of random play."""
    subject: str
    tries: Tries
    problem: str
    silent: str
    line: CriticLine | None
    notes: tuple[str, ...]
    readings: SiteReadings
    rows: pd.DataFrame

    @property
    def sites(self) -> tuple[str, ...]:
        """Where facts were read."""
        return tuple(dict.fromkeys(site for site, _ in self.readings))


def tensors_file(folder: RunFolder, name: str) -> Path:
    """What pooling needs of a policy; it exists when the policy was examined."""
    return folder.path / "cells" / f"{name}.safetensors"


def weights_of(model: nn.Module | None) -> Floats:
    """Mean size ``[P]`` of each tensor of a model; none of a function."""
    tensors = [] if model is None else [t for t in model.state_dict().values() if isinstance(t, torch.Tensor)]
    return np.asarray([float(t.double().abs().mean()) for t in tensors if t.numel()], dtype=np.float64)


def same_policy(folder: RunFolder, key: Key, weights: Floats) -> bool | None:
    """Whether these are the weights of the policy that was added as ``key``; None where nothing tells."""
    kept = read_tensors(tensors_file(folder, key.name))[0].get("policy|weights")
    return None if kept is None or not len(weights) else nearly(kept.numpy(), weights)


def write_policy(
    folder: RunFolder, tried: Tried, key: Key | None, *, subject: str, weights: Floats | None = None
) -> None:
    """Store the evidence of one policy."""
    name, age = (RANDOM, 0) if key is None else (key.name, key.age)
    about: Row = {"seeds": 1}
    if key is None or key.untrained:
        about |= {"control": "untrained", "seed": 0 if key is None else key.seed}
    else:
        about |= {"seed": key.seed, "age": key.age}
    rows = [*behaviour_rows(tried.played, tried.goals[0], about)]
    rows += [] if tried.critic is None else critic_rows(tried.critic, about)
    if key is not None and not key.untrained:
        rows += habit_rows(tried.habits, about)
        rows += causal_rows(tried.causal, tried.goals, about, problem=tried.problem)
    if key is None:
        rows = [
            {**row, "control": "random play"}
            for row in rows
            if row["control"] == "untrained" and row["metric"] not in ("return",)
        ]
    tensors = {"policy|tries": tried.tries.packed(), **packed_readings({age: tried.readings})}
    if tried.critic is not None:
        line = tried.critic
        tensors["policy|line"] = torch.tensor([line.beta, line.low, line.high, line.vif], dtype=torch.float64)
        tensors["policy|fit"] = torch.tensor([line.r2, line.null, float(line.n)], dtype=torch.float64)
    if weights is not None and len(weights):
        tensors["policy|weights"] = torch.from_numpy(weights)
    header = {"subject": subject, "problem": tried.problem, "silent": tried.silent, "notes": json.dumps(tried.notes)}
    write_table(folder.cell(name), findings(rows))
    write_tensors(tensors_file(folder, name), tensors, cell=name, **header)


def read_policy(
    folder: RunFolder, key: Key | None, goals: tuple[str, ...], regression: Mapping[str, bool]
) -> KeptPolicy:
    """What :func:`write_policy` stored; ``regression``: fact -> whether it is a number."""
    name = RANDOM if key is None else key.name
    tensors, header = read_tensors(tensors_file(folder, name))
    line = None
    if "policy|line" in tensors:
        beta, low, high, vif = (tuple(map(float, row)) for row in tensors["policy|line"])
        r2, null, n = map(float, tensors["policy|fit"])
        line = CriticLine(goals, beta=beta, low=low, high=high, r2=r2, null=null, vif=vif, n=int(n))
    return KeptPolicy(
        key,
        header["subject"],
        Tries.unpacked(tensors["policy|tries"]),
        header["problem"],
        header["silent"],
        line,
        tuple(json.loads(header["notes"])),
        dict(unpacked_readings(tensors, regression).get(0 if key is None else key.age, {})) if regression else {},
        read_table(folder.cell(name)),
    )
