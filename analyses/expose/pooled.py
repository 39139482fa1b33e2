"""The answers of several seeds as one.

A candidate of the world is the same in every seed by its name, one of the inside by the fact that names it best. Its
share is the mean over the seeds in which it was tested; its q-value is the smallest times the number of seeds, so that
what a single seed depends on is found, at the same rate of false candidates.

Letters: S seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from imprint.analyses.expose.candidates import Candidate, Exposed, Searched
from imprint.analyses.statistics import NAN, mean_of_known


def pooled(answers: Sequence[Exposed]) -> Exposed:
    """One answer of many seeds; a single one as it is."""
    if len(answers) == 1:
        return answers[0]
    held: dict[tuple[str, str], dict[int, Candidate]] = {}
    for seed, answer in enumerate(answers):
        for candidate in answer.tested:
            held.setdefault(_key(candidate), {}).setdefault(seed, candidate)
    tested = tuple(_over_seeds(name, of_seed, answers) for (_, name), of_seed in held.items())
    first = answers[0]
    return replace(
        first,
        tested=tested,
        searched=tuple(_searched(parts) for parts in zip(*(answer.searched for answer in answers), strict=True)),
        unseen=tuple(dict.fromkeys(text for answer in answers for text in answer.unseen)),
        declared=mean_of_known([answer.declared.value for answer in answers]),
        notes=_notes(answers),
    )


def _notes(answers: Sequence[Exposed]) -> tuple[str, ...]:
    """Notes that differ in their share alone as one."""
    shares: dict[str, list[float]] = {}
    for answer in answers:
        for note in answer.notes:
            number, percent, text = note.partition("% ")
            known = bool(percent) and number.isdigit()
            shares.setdefault(text if known else note, []).append(float(number) if known else np.nan)
    told = []
    for text, found in shares.items():
        seeds = f"({len(found)} of {len(answers)} seeds)"
        ends = f"{min(found):.0f}" if min(found) == max(found) else f"{min(found):.0f} to {max(found):.0f}"
        told.append(f"{text} {seeds}" if np.isnan(found).any() else f"{ends}% {text} {seeds}")
    return tuple(told)


def _key(candidate: Candidate) -> tuple[str, str]:
    if candidate.source == "world":
        return candidate.source, candidate.name
    return candidate.source, f"{candidate.source}: {next(iter(candidate.facts), 'unnamed')}"


def _over_seeds(name: str, of_seed: dict[int, Candidate], answers: Sequence[Exposed]) -> Candidate:
    """One candidate of all seeds in which it was tested."""
    seeds = len(answers)
    found = [seed for seed, candidate in of_seed.items() if answers[seed].found(candidate)]
    shares = [candidate.share.value for candidate in of_seed.values()]
    absent = 0 if next(iter(of_seed.values())).source == "world" else seeds - len(of_seed)
    clearest = min(of_seed.values(), key=lambda candidate: (candidate.q_value, -candidate.share.value))
    p, q = (min(1.0, seeds * value) for value in (clearest.p_value, clearest.q_value))
    ends = f"{min(shares):.1%}" if len(shares) == 1 else f"{min(shares):.1%} to {max(shares):.1%}"
    span = f"{ends} in the {len(shares)} seeds in which it was tested; the clearest: "
    return replace(
        clearest,
        name=name,
        share=mean_of_known([*shares, *[0.0] * absent], share=True),
        description=span + clearest.description if found else clearest.description,
        p_value=p,
        q_value=q,
        detectable=_mean(candidate.detectable for candidate in of_seed.values()),
        stable=(len(found), seeds),
        searches=(1, 1),
        untrained=_mean(candidate.untrained for candidate in of_seed.values()),
    )


def _searched(parts: Sequence[Searched]) -> Searched:
    """What a source could do in all seeds."""
    usable = any(part.usable for part in parts)
    first = next((part for part in parts if part.usable), parts[0])
    smallest = _mean(part.detectable for part in parts)
    why = f"In each of {len(parts)} seeds: {first.why}" if usable else first.why
    return replace(first, usable=usable, why=why, tested=max(part.tested for part in parts), detectable=smallest)


def _mean(numbers: Iterable[float]) -> float:
    """Mean of the numbers that are known; NaN without any."""
    known = [number for number in numbers if np.isfinite(number)]
    return float(np.mean(known)) if known else NAN
