"""How many bits a learner is specified by, and how many it has learned.

    specification   everything of this project that must be written down before the first experience: the code of the
                    learner, its rule and their contracts, without comments and docstrings, and all settings
    weights         the trained parameters as 32-bit numbers

Both are compressed without loss (LZMA). The libraries under both (matrix products, the optimiser) are left out, which
makes the specification too small; code that this learner does not use is kept, which makes it too large. The last
digits of trained weights are noise to any compressor, so that their bits are an upper bound of what was learned.
"""

from __future__ import annotations

import ast
import inspect
import json
import lzma
import sys
from types import ModuleType

from imprint.models.learners import base as learners_base
from imprint.models.learning.cohort import Cohort
from imprint.models.rules import base as rules_base
from imprint.models.rules.base import RULES
from imprint.models.setup.learner import Setup


def compressed(data: bytes, preset: int = 9) -> int:
    """Bits after lossless compression; a lower ``preset`` is faster and, where little can be saved, as good."""
    return 8 * len(lzma.compress(data, format=lzma.FORMAT_ALONE, preset=preset))


def bare(source: str) -> str:
    """Python source without comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [line for line in body if not _is_text(line)]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


def specification(plan: Setup, modules: list[ModuleType]) -> int:
    """Bits of the code of these modules and of the settings of learner, rule and schedule."""
    settings = {"learner": plan.learner, "rule": plan.rule, "schedule": plan.schedule.model_dump(mode="json")}
    code = [bare(inspect.getsource(module)) for module in modules]
    return compressed("\n".join([*code, json.dumps(settings)]).encode())


def bits_of(plan: Setup, cohort: Cohort) -> tuple[int, list[int]]:
    """Bits of the specification, and of each seed's weights."""
    own = [type(cohort.modules[0]), *([] if plan.rule is None else [RULES.load(plan.rule["kind"])])]
    modules = [sys.modules[each.__module__] for each in own]
    weights = []
    for seed in range(len(cohort.modules)):
        arrays = [value.numpy().tobytes() for value in cohort.member(seed).values()]
        weights.append(compressed(b"".join(arrays), preset=1))
    return specification(plan, [*modules, learners_base, rules_base]), weights
