"""What may teach in a run, read from its setup: the learner's own objective, and the steering signals with their paths.

A setup says all of it, because steering is hardcoded: what each signal reads, which of them teaches the value or pays
the agent, and whether any sends a gradient into the learner. No run has to be repeated to know that a signal *cannot*
have taught something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from imprint.analyses.audit.rule import Source

OBJECTIVE = "the learner's objective"


def path(setup: Mapping[str, Any], signal: str) -> list[str]:
    """What a signal rests on, nearest first: earlier signals, columns of the scorecard, senses and body states."""
    parts = {part["name"]: part for part in setup.get("steering", ())} | dict(setup.get("scorecard", {}))
    found, waiting = [], [signal]
    while waiting:
        name = waiting.pop(0)
        if name in found:
            continue
        found.append(name)
        if name in parts:
            waiting += list(_read_by(parts[name]))
    return found[1:]


def _read_by(part: Mapping[str, Any]) -> Iterator[str]:
    """Everything that a steering signal or column names in its settings."""
    for key, value in part.items():
        if key in ("kind", "name"):
            continue
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from (str(name) for name in value)
            yield from (name for name in value.values() if isinstance(name, str))


def origin(setup: Mapping[str, Any], signal: str) -> str:
    """Where a steering signal comes from, in words."""
    kinds = {part["name"]: part["kind"] for part in setup.get("steering", ())}
    columns = set(setup.get("scorecard", {}))
    behind = path(setup, signal)
    crude = [name for name in behind if name not in kinds and name not in columns]
    through = [name for name in behind if name in kinds]
    words = f"steering, hardcoded ({kinds.get(signal, 'signal')}{', by way of ' if through else ''}"
    words += f"{', '.join(through)})"
    words += f", from {', '.join(crude)}" if crude else ""
    learned = [name for name in behind if name in columns]
    return words + (f", and from what was learned: {', '.join(learned)}" if learned else "")


def objective(setup: Mapping[str, Any]) -> Source:
    """The learner's own objective as a source."""
    kind = (setup.get("learner") or setup.get("agent") or {}).get("kind", "network")
    return Source(OBJECTIVE, f"the learner ({kind}), on what the world shows next")


def steering(setup: Mapping[str, Any], signal: str) -> Source:
    """A steering signal as a source."""
    return Source(signal, origin(setup, signal), about=about(setup, signal))


def about(setup: Mapping[str, Any], signal: str) -> str:
    """What a steering signal is, in words: what it detects or pays for, and what that is in turn."""
    return _about(list(setup.get("steering", ())), signal)


def _about(signals: list[Mapping[str, Any]], signal: str) -> str:
    place = next((i for i, part in enumerate(signals) if part["name"] == signal), None)
    if place is None:
        return ""
    part, earlier = signals[place], signals[:place]
    if part["kind"] == "detector":
        return f"a hardcoded detector of {_plain(part['sense'])}"
    if part["kind"] != "reward":
        return f"a hardcoded signal of the kind {_plain(part['kind'])}"
    paid = [", ".join(filter(None, (_plain(name), _about(earlier, name)))) for name in part["weights"]]
    scaled = f"; more of it with more {_plain(part['body'])}" if part.get("body") else ""
    return f"a hardcoded reward for {' and '.join(paid)}{scaled}"


def _plain(name: str) -> str:
    """A name as words."""
    return name.replace("_", " ")


def value_teacher(setup: Mapping[str, Any]) -> str:
    """Name of the signal that teaches the value, or that pays the agent; empty where none does."""
    return str((setup.get("learning") or {}).get("pay") or (setup.get("assessor") or {}).get("signal") or "")


def shapers(setup: Mapping[str, Any]) -> list[str]:
    """Steering signals that change what a learner comes to know."""
    shaping = [part["name"] for part in setup.get("steering", ()) if part.get("gradient_into_learner")]
    return shaping + [routing["signal"] for routing in (setup.get("routing"),) if routing]
