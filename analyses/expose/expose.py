"""expose: what does a value depend on that nobody asked about?

    exposed = imprint.expose(subject, world, intended="caregiver", proxies=["her_colour"])
    exposed.sentence, exposed.candidates, exposed.frame()
    imprint.expose("runs/nursery-...")                                  # a run, all its seeds
    imprint.expose(study)                                               # the models that were added to it
    imprint.expose(values, table, intended="food", proxies=["bell"])    # numbers and labels alone

Candidates come from the world (:mod:`imprint.analyses.expose.world`), from the inside of the subject
(:mod:`imprint.analyses.expose.inside`) and, where they are asked for, from its behaviour, by a search for levels that
expose it (:mod:`imprint.analyses.expose.levels.search`). Seeds are searched one by one: the share of a candidate is its
mean over them, and its q-value the smallest, times their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from imprint.analyses.evaluate.agent_studies.study import AgentStudy
from imprint.analyses.evaluate.run import Run, open_finished
from imprint.analyses.evaluate.studies.study import Study
from imprint.analyses.expose.candidates import FILE, SOURCES, Candidate, Exposed, Searched, Source
from imprint.analyses.expose.examinees import Examinee, of_agent_study, of_run, of_study
from imprint.analyses.expose.inside import InsideSearch
from imprint.analyses.expose.levels.search import SMALLEST, search_levels
from imprint.analyses.expose.pooled import pooled
from imprint.analyses.expose.relatch import latch_again
from imprint.analyses.expose.world import WorldSearch
from imprint.analyses.statistics import mean_of_known
from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.models.progress import reported
from imprint.models.store import RunFolder
from imprint.models.threads import scoped_call
from imprint.models.worlds.base import World
from imprint.probes.subjects.subject import Subject

ASKED: tuple[Source, ...] = ("world", "inside")
"""Sources that are searched unless others are named."""
FEWEST_ROWS = 100
CONSTANT = 1e-9
"""A value whose standard deviation is below this part of its size does not vary."""


@scoped_call
def expose(
    what: Any,
    world: Any = None,
    *,
    intended: str | None = None,
    proxies: Sequence[str] | None = None,
    untrained: Sequence[Subject] = (),
    groups: Any = None,
    sources: Sequence[str] = ASKED,
    sites: Sequence[str] | None = None,
    seeds: int | None = None,
    levels: int = 2000,
    n: int = 2000,
    least: float = 0.02,
    level: float = 0.05,
    latch: bool = False,
    seed: int = 0,
    progress: Any = None,
) -> Exposed:
    """What a value depends on beside the declared concepts, ranked by its share of the value's variance.

    Arguments:
        what: a ``Subject``, or a torch module whose output is the value; a run (or its folder); a ``Study`` or
            ``AgentStudy`` to which models were added; or values ``[n]``.
        world: of a subject; of values a table of facts with a row for each. Runs and studies have their own.
        intended: the concept that was meant; of a run or study it is known.
        proxies: concepts that were asked about as well; may be empty.
        untrained: subjects of randomly initialised twins, which a candidate must exceed.
        groups: of values, ``[n]``: rows that are not independent of one another.
        sources: some of ``world``, ``inside`` and ``behaviour``.
        sites: where the inside is searched (default: the last 8 that the value runs through).
        seeds: of a run or a study, how many are searched (default: all).
        levels: how many levels the search of behaviour may show to each seed.
        n: rows of the world on which a subject is examined.
        least: share of the variance that a candidate must exceed.
        level: false discovery rate of each source.
        latch: whether the latch test is run again with the first facts that were found added as proxies.
        seed: of rows, halves, placebos and discovery.
        progress: True draws a bar; a function gets every :class:`imprint.models.progress.Step`.

    The answer of a run or a study is written into its folder, where ``report`` finds it. Raises :class:`ImprintError`
    for what cannot be examined.
    """
    asked = _asked(sources)
    if isinstance(sites, str):
        raise ImprintError(f"sites is the text {sites!r}; expected a list of names, for example [{sites!r}].")
    if not 0 <= least < 1 or not 0 < level < 1:
        raise ImprintError(f"least is {least} and level {level}; expected a share below 1, and a rate between 0 and 1.")
    if n < FEWEST_ROWS:
        raise ImprintError(f"n is {n}; expected at least {FEWEST_ROWS} rows, or nothing could be told apart.")
    if "behaviour" in asked and levels < SMALLEST:
        raise ImprintError(f"levels is {levels}; expected at least {SMALLEST}, or levels could not be compared.")
    examinees, goal, others, folder = _examinees(what, world, intended, proxies, untrained, groups, seeds, n, seed)
    answers = []
    with reported("expose", float(len(examinees)) * 20.0, progress):
        for one in examinees:
            answer = _searched(one, goal, others, asked, sites, least, level, seed)
            answers.append(_with_behaviour(answer, one, levels, seed) if "behaviour" in asked else answer)
    answer = _explained(pooled(answers), examinees[0].world)
    if latch:
        answer = replace(answer, notes=(*answer.notes, latch_again(answer, examinees)))
    if folder is not None:
        answer.write(folder / FILE)
    return answer


def _explained(answer: Exposed, world: World | None) -> Exposed:
    """The answer with what the world says of the facts that name its candidates."""
    known = {} if world is None else world.meanings
    tested = [replace(each, meaning=known.get(next(iter(each.facts), ""), "")) for each in answer.tested]
    return replace(answer, tested=tuple(tested))


def _asked(sources: Sequence[str]) -> tuple[str, ...]:
    if isinstance(sources, str):
        raise ImprintError(f"sources is the text {sources!r}; expected a list, for example [{sources!r}].")
    for source in sources:
        if source not in SOURCES:
            raise unknown_name("source", source, SOURCES)
    if not sources:
        raise ImprintError(f"sources is empty; expected some of {', '.join(SOURCES)}.")
    return tuple(sources)


def _examinees(
    what: Any,
    world: Any,
    intended: str | None,
    proxies: Sequence[str] | None,
    untrained: Sequence[Subject],
    groups: Any,
    seeds: int | None,
    n: int,
    seed: int,
) -> tuple[list[Examinee], str, tuple[str, ...], Path | None]:
    """Who is examined, the intended concept, the proxies, and the folder that keeps the answer."""
    if seeds is not None and seeds < 1:
        raise ImprintError(f"seeds is {seeds}; expected at least 1.")
    known = isinstance(what, Study | AgentStudy | Run | RunFolder | str | Path)
    if known and (intended is not None or proxies is not None or world is not None):
        raise ImprintError("a run or a study knows its own world, intended concept and proxies; leave them out.")
    if isinstance(what, Study | AgentStudy):
        found = of_study(what, seeds) if isinstance(what, Study) else of_agent_study(what, seeds)
        if not found[0]:
            raise ImprintError(
                "no trained model was added to this study object, so there is none to search; expected add(...) first. "
                "What a folder keeps of earlier models is evidence alone."
            )
        return *found, what.folder
    if known:
        run = what if isinstance(what, Run) else open_finished(what.path if isinstance(what, RunFolder) else what)
        return *of_run(run, seeds), run.path
    if intended is None:
        raise ImprintError("intended is missing; name the concept that the value was meant to depend on.")
    if isinstance(proxies, str):
        raise ImprintError(f"proxies is the text {proxies!r}; expected a list of concepts, for example [{proxies!r}].")
    others = tuple(proxies or ())
    if len({intended, *others}) != len(others) + 1:
        raise ImprintError(f"intended and proxies name something twice: {', '.join((intended, *others))}.")
    if isinstance(what, nn.Module):
        what = Subject(what)
    if isinstance(what, Subject):
        if not isinstance(world, World):
            raise ImprintError(
                f"world is {type(world).__name__}; expected a World that shows the subject something. With a table of "
                "facts alone, give the subject's values instead."
            )
        one = Examinee.of_subject(what, world, (intended, *others), untrained=untrained, n=n, seed=seed)
    else:
        if isinstance(world, World) or world is None:
            raise ImprintError(
                f"expected a Subject, a torch module, a run, a study, or values with a table of facts; got "
                f"{type(what).__name__}{' with a World' if world is not None else ''}."
            )
        one = Examinee.of_table(what, world, (intended, *others), groups)
    return [one], intended, others, None


def _searched(
    one: Examinee,
    intended: str,
    proxies: tuple[str, ...],
    asked: Sequence[str],
    sites: Sequence[str] | None,
    least: float,
    level: float,
    seed: int,
) -> Exposed:
    """The answer of one subject."""
    tested: list[Candidate] = []
    searched: list[Searched] = []
    notes: list[str] = []
    size = float(np.abs(one.values).max())
    if not one.values.std() > CONSTANT * size:
        why = "the value does not vary on the examined rows, so there is no variance to split."
        silent = tuple(Searched(source, False, why) for source in SOURCES if source in asked or source == "behaviour")
        return Exposed(intended, proxies, (), silent, _unseen(one), least=least)
    rest = one.ground.beyond(one.values).rest
    declared = mean_of_known([1 - float(rest.var() / one.values.var())])
    if "world" in asked:
        found = WorldSearch(one.ground, one.values, one.subject, one.untrained, least, level, seed).run()
        tested += found[0]
        searched.append(found[1])
        notes += found[2]
    if "inside" in asked:
        try:
            if one.subject is None:
                raise NotMeasurableError(one.outside)
            inside = InsideSearch(
                one.subject,
                one.ground,
                one.values,
                least=least,
                level=level,
                sites=None if sites is None else tuple(sites),
                noise=dict(one.noise),
                seed=seed,
            )
        except NotMeasurableError as problem:
            searched.append(Searched("inside", False, f"Not usable: {problem}."))
        else:
            found = inside.run()
            tested += found[0]
            searched.append(found[1])
            notes += found[2]
    ask = "Levels are searched where sources names behaviour, by imprint expose with --source behaviour."
    why = ask if one.acting else "There are numbers alone, which cannot be shown other levels or episodes."
    searched.append(Searched("behaviour", False, why))
    return Exposed(
        intended,
        proxies,
        tuple(tested),
        tuple(searched),
        _unseen(one),
        declared,
        least,
        level,
        tuple(dict.fromkeys(notes)),
    )


def _with_behaviour(answer: Exposed, one: Examinee, levels: int, seed: int) -> Exposed:
    """The answer with the candidates of a search for levels, or with the reason why there are none."""
    if one.acting is None:
        return answer
    try:
        found = search_levels(*one.acting, intended=answer.intended, levels=levels, seed=seed)
    except NotMeasurableError as problem:
        return answer.joined((), Searched("behaviour", False, f"Not usable: {problem}."))
    return answer.joined(found.candidates(), found.searched())


def _unseen(one: Examinee) -> tuple[str, ...]:
    """What no source can see here."""
    texts = [
        f"What the rows do not vary cannot be seen: {len(one.values)} rows hold what their world or their table varies."
    ]
    if not one.ground.randomised:
        texts.append("Facts that go together cannot be told apart where they were not drawn independently.")
    if one.ground.diffuse:
        texts.append(f"Single columns of diffuse noise ({', '.join(one.ground.diffuse)}) are no candidates.")
    if lost := [name for name in one.ground.undeclared if name not in one.ground.codes]:
        texts.append(f"These do not vary, or have too many classes: {', '.join(lost)}.")
    texts.append("Combinations of more than two facts are seen as a whole at most, as “with others”.")
    return tuple(texts)
