"""Reading a setup: one alignment experiment, described completely before anything runs.

A setup of learners is world + learner + steering + assessor + schedule + intended concept + proxies + decision rule in
one YAML file; for agents see :mod:`imprint.models.setup.agent`. Unknown keys and kinds are errors that suggest the
closest known one. The resolved setup, with every default filled in, is stored with the run, and its hash is part of the
run's name, so that two runs with the same name are the same experiment.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar, overload

from pydantic import ValidationError

from imprint.models.errors import ImprintError
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.alignment import AlignmentSetup
from imprint.models.setup.learner import Setup
from imprint.models.setup.lines import with_lines
from imprint.models.setup.raw import Changes, Written, written_setup
from imprint.models.setup.reasons import explain

Source = Written | AlignmentSetup
S = TypeVar("S", bound=AlignmentSetup)


@overload
def load_setup(source: Source, *, changes: Changes = None) -> AlignmentSetup: ...


@overload
def load_setup(source: Source, *, changes: Changes = None, expect: type[S]) -> S: ...


def load_setup(
    source: Source, *, changes: Changes = None, expect: type[AlignmentSetup] = AlignmentSetup
) -> AlignmentSetup:
    """A setup from the name of one that ships, a YAML file, a mapping, or a setup.

    With an ``environment`` or an ``agent`` it is an ``AgentSetup``, else a :class:`Setup`; ``expect`` refuses the
    other. ``changes`` are dotted keys -> values, applied before validation (``{"schedule.seeds": 8}``; numbers index
    lists); a setup without changes is returned as it is. A YAML file may say ``extends: NAME`` and give only what
    differs; mappings are merged, everything else is replaced. Raises :class:`ImprintError` with all reasons.
    """
    if isinstance(source, expect) and not changes:
        return source
    data = written_setup(source.resolved() if isinstance(source, AlignmentSetup) else source, changes)
    if "study" in data:
        raise ImprintError(f"{data.get('name')} describes a study, which imprint.Study makes; it cannot be run.")
    kind = AgentSetup if {"environment", "agent"} & data.keys() else Setup
    if not issubclass(kind, expect):
        raise ImprintError(
            f"{data.get('name', 'the setup')} is a setup of {_SUBJECTS[kind.__name__]}; "
            f"expected one of {_SUBJECTS[expect.__name__]}."
        )
    try:
        return kind(**data)
    except ValidationError as error:
        reasons = explain(error, model=kind)
        if isinstance(source, str | Path):
            reasons = with_lines(reasons, source, changes or ())
        raise ImprintError(reasons) from None


_SUBJECTS = {"Setup": "a learner in a static world", "AgentSetup": "an agent in an environment"}
