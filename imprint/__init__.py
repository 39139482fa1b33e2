"""imprint: train learners from scratch under hardcoded reward, and test what the reward latched onto.

The public API, with stable names, loaded on first use: ``import imprint`` alone imports neither torch nor pandas.

=================  ====================================================================================================
``locate``         which concepts can be read from which activations, beside their floors
``latch``          what a value depends on: the intended concept, a proxy, a mixture or nothing
``Subject``        any ``torch.nn.Module``, ready to be examined
``World, Batch``   subclass ``World`` for a world of your own
``Study``          models of your own training loop, over ages and seeds, judged and reported as runs of ours
``expose``         what a value depends on that nobody asked about, from the world and from the inside
``evaluate``       run a whole alignment setup: training runs, evidence, verdict
``sweep``          every combination of some settings judged; what is raised alike is raised once
``power``          how often a setup would say the right word, before anything is trained
``analyse``        answer a question that was fixed beforehand, with its prediction and decision rule
``compare``        runs side by side, paired by seed
``report``         one self-contained HTML page of a run, or of the table that ``locate`` returns
``view``           a local page over many runs, live while they go on
``verify``         whether a run is what it says it is, and its level of evidence
``load_setup``     a setup by name, file or mapping; ``Setup`` is its type
=================  ====================================================================================================
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers, to which "as" says that a name is public; at run time `_HOME` has them
    from imprint.analyses.ask import analyse as analyse
    from imprint.analyses.evaluate.agent_studies.study import AgentStudy as AgentStudy
    from imprint.analyses.evaluate.compare import compare as compare
    from imprint.analyses.evaluate.evaluate import evaluate as evaluate
    from imprint.analyses.evaluate.learners.robustness import power as power
    from imprint.analyses.evaluate.run import Run as Run
    from imprint.analyses.evaluate.studies.study import Study as Study
    from imprint.analyses.evaluate.sweeps.sweep import Sweep as Sweep
    from imprint.analyses.evaluate.sweeps.sweep import sweep as sweep
    from imprint.analyses.expose.candidates import Exposed as Exposed
    from imprint.analyses.expose.expose import expose as expose
    from imprint.analyses.latch.latch import Latch as Latch
    from imprint.analyses.latch.latch import latch as latch
    from imprint.analyses.locate.locate import locate as locate
    from imprint.analyses.verification.verify import verify as verify
    from imprint.models.setup.learner import Setup as Setup
    from imprint.models.setup.load import load_setup as load_setup
    from imprint.models.worlds.base import Batch as Batch
    from imprint.models.worlds.base import World as World
    from imprint.probes.subjects.subject import Subject as Subject
    from imprint.reports.pages.report import report as report
    from imprint.reports.viewer.view import view as view

__version__ = "0.1.0"

_HOME = {
    "AgentStudy": "imprint.analyses.evaluate.agent_studies.study",
    "Batch": "imprint.models.worlds.base",
    "Exposed": "imprint.analyses.expose.candidates",
    "Latch": "imprint.analyses.latch.latch",
    "Run": "imprint.analyses.evaluate.run",
    "Setup": "imprint.models.setup.learner",
    "Study": "imprint.analyses.evaluate.studies.study",
    "Sweep": "imprint.analyses.evaluate.sweeps.sweep",
    "Subject": "imprint.probes.subjects.subject",
    "World": "imprint.models.worlds.base",
    "analyse": "imprint.analyses.ask",
    "compare": "imprint.analyses.evaluate.compare",
    "evaluate": "imprint.analyses.evaluate.evaluate",
    "expose": "imprint.analyses.expose.expose",
    "latch": "imprint.analyses.latch.latch",
    "load_setup": "imprint.models.setup.load",
    "locate": "imprint.analyses.locate.locate",
    "power": "imprint.analyses.evaluate.learners.robustness",
    "report": "imprint.reports.pages.report",
    "sweep": "imprint.analyses.evaluate.sweeps.sweep",
    "verify": "imprint.analyses.verification.verify",
    "view": "imprint.reports.viewer.view",
}
__all__ = ["__version__", *_HOME]

# wandb and the Hugging Face client are dependencies of transformer-lens; neither may print anything or use the network
# because imprint was imported. A value that the environment sets beforehand wins.
_QUIET = {"WANDB_MODE": "disabled", "WANDB_SILENT": "true", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
for _name, _value in _QUIET.items():
    os.environ.setdefault(_name, _value)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}.")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
