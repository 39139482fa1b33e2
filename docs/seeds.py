"""Makes ``docs/seeds.md``: every claim of the two documents, the question that tests it, and what came out.

``python docs/seeds.py`` writes the page; the documentation site writes it anew when it is built. Claims, and the names
of the questions that test them, stand in ``docs/seeds.yaml``; verdicts are read from the pages of the questions, and
from the tables of ``docs/findings.md`` for those without a page. What a question found about a claim is a sentence in
``docs/seeds.yaml``, or else that of the question's page. A question that is not there yet, or that nobody
has answered yet, is said to be open.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

DOCS = Path(__file__).resolve().parent
QUESTIONS = DOCS.parent / "analyses" / "questions"
WORDS = ("confirmed", "refuted", "undetermined")
COUNTED = re.compile(r"numbers? came out as predicted")
"""What a page that has no sentence says of its verdict; then the sentence is the one that reads its first table."""
LONGEST = 420
"""Characters of what is quoted from a page; the page has the rest."""

HEAD = """# The claims, one by one

<!-- Made by `python docs/seeds.py` of docs/seeds.yaml and the pages of the questions; not written by hand. -->

For the authors of post 2 of *Intro to brain-like-AGI safety* ("learning from scratch" in the brain) and of the comments
under it, and for everybody who wants to know what became of a sentence in them. Each row is one claim in our words, the
question that tests it here, and what came out. *Confirmed*, *refuted* and *undetermined* are said of numbers that were
predicted with their bounds before the run, in learners of some ten thousand weights; a claim about brains is not
settled by it. Claims K1 to K19 carry the argument about alignment, S1 to S43 support it or stand in the comments.
*Open* means that there is no answer yet. Numbers are means over seeds with 95 % intervals.
"""


class Told(NamedTuple):
    """What a page says of its question."""

    verdict: str
    said: str
    whole: str = ""
    """All of what is said, from which verdicts on parts of the question are read."""

    def on(self, part: str) -> str:
        """The verdict on a part of the question, or on all of it; undetermined where the page has no such part."""
        found = re.search(rf"\b{part}: ({'|'.join(WORDS)})", self.whole) if part else None
        return self.verdict if not part else found[1] if found else "undetermined"


def load() -> dict[str, Any]:
    """Claims and comments."""
    data: dict[str, Any] = yaml.safe_load((DOCS / "seeds.yaml").read_text(encoding="utf-8"))
    return data


def rows_of(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All claims in order."""
    for part in data["parts"]:
        yield from part["rows"]


def exists(name: str) -> bool:
    """Whether the question is there."""
    return (QUESTIONS / name.replace("-", "_") / "question.py").is_file()


@cache
def told(name: str) -> Told | None:
    """Verdict and reading of a question that exists; None when nobody has answered it yet."""
    page = DOCS / f"{name}.md"
    if not exists(name):
        return None
    if not page.is_file():
        return _told_in_findings(name)
    found = re.search(
        rf"^\*\*({'|'.join(WORDS)})\*\*:? ?(.*)([^#]*)(?:## .*\n\n(.*))?", page.read_text(encoding="utf-8"), re.M
    )
    if found is None:
        return None
    said = found[2] if not COUNTED.search(found[2]) else found[4] or ""
    return Told(found[1], _short(said), found[2] + found[3])


def _told_in_findings(name: str) -> Told | None:
    text = (DOCS / "findings.md").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith(f"| `{name}`") and "not run in full" not in line:
            bold, plain = (re.search(pattern, line) for pattern in (rf"\*\*({'|'.join(WORDS)})", "|".join(WORDS)))
            if bold or plain:
                return Told(bold[1] if bold else plain[0], _short(line.strip("| ").rsplit("|", 1)[-1].strip()))  # type: ignore[index]
    return None


def _short(text: str) -> str:
    """The text, cut after a whole number or sentence."""
    line = text.replace(" :", ":").strip()
    if len(line) <= LONGEST:
        return line
    cut = max(line.rfind(end, 0, LONGEST) for end in (". ", "; ", ") "))
    return line[: cut + 1 if cut > 0 else LONGEST].rstrip("; ") + " ..."


def _link(name: str) -> str:
    return f"[`{name}`]({name}.md)" if (DOCS / f"{name}.md").is_file() else f"`{name}`"


def standing(row: Mapping[str, Any], name: str) -> str:
    """What one question says of a claim."""
    answer = told(name)
    if answer is None:
        return f"{_link(name)}: " + ("open, the question is there and has no answer yet" if exists(name) else "open")
    said, part = row.get("found", {}).get(name, answer.said), row.get("part", {}).get(name, "")
    verdict = answer.on(part)
    whole = f" in this part ({answer.verdict} as a whole)" if part and verdict != answer.verdict else ""
    return f"{_link(name)}, **{verdict}**{whole}: {said}"


def state(row: Mapping[str, Any]) -> str:
    """``answered``, ``shown elsewhere`` or ``open``."""
    if any(told(name) for name in row["questions"]):
        return "answered"
    return "shown elsewhere" if row.get("otherwise") else "open"


def _ended(text: str) -> str:
    """With one full stop, or with the three of a text that was cut."""
    return text if text.endswith(" ...") else f"{text.rstrip('. :')}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def claim_line(row: Mapping[str, Any]) -> str:
    """The table's line of a claim."""
    parts = [_ended(standing(row, name)) for name in row["questions"]]
    pages = [name for name in row.get("pages", []) if (DOCS / f"{name}.md").is_file()]
    parts += [f"See also [{name.replace('-', ' ')}]({name}.md)." for name in pages]
    parts += [row[key] for key in ("otherwise", "note") if row.get(key)]
    return f"| {row['id']} | {_cell(row['claim'])} ({row['where']}) | {_cell('<br>'.join(parts))} |"


def numbers_of(name: str) -> dict[str, tuple[str, str]]:
    """Number on a question's page -> what was measured, with its bounds, and held, failed or open."""
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    line = r"^- (?:[A-Za-z ]+: )?(.+?) (-?[\d.e+-]+ \[[^\]]+\]) \((at .+?): (held|failed|open)\)\."
    found = re.findall(line, text, re.M)
    return {number: (f"{value}, {bounds}", outcome) for number, value, bounds, outcome in found}


def comment_line(comment: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The table's line of something that a commenter said.

    ``right``: question, or ``question/part`` -> verdict that bears it out; ``numbers``: question -> the numbers on its
    page that were predicted as the commenter has it.
    """
    outcomes = []
    for asked_of, verdict in comment.get("right", {}).items():
        name, _, part = asked_of.partition("/")
        if answer := told(name):
            found = answer.on(part)
            word = "undecided" if found == "undetermined" else ("wrong", "right")[found == verdict]
            outcomes.append(f"{word.capitalize()} here, by {_link(name)}{f' ({part.lower()})' if part else ''}")
    for name, wanted in comment.get("numbers", {}).items():
        found_here = {number: numbers_of(name)[number] for number in wanted}
        ended = Counter(outcome for _, outcome in found_here.values())
        word = "Right" if ended["held"] == len(wanted) else "In part" if ended["held"] else "Wrong"
        word = "Undecided" if ended["open"] == len(wanted) else word
        said = {"held": "so it is", "failed": "it is not", "open": "open"}
        each = "; ".join(f"{number} {value}: {said[outcome]}" for number, (value, outcome) in found_here.items())
        outcomes.append(f"{word} here, by {_link(name)} ({each})")
    if comment.get("outcome"):
        outcomes.append(comment["outcome"])
    if not outcomes:
        answered = [
            f"{_link(n)} says {t.verdict}" for i in comment["rows"] for n in rows[i]["questions"] if (t := told(n))
        ]
        outcomes = ["; ".join(dict.fromkeys(answered)) or "Open"]
    whole = "<br>".join(map(_ended, outcomes))
    return f"| {_cell(comment['said'])} | {', '.join(comment['rows'])} | {_cell(whole)} |"


def page() -> str:
    """The whole page."""
    data = load()
    rows = list(rows_of(data))
    by_id = {row["id"]: row for row in rows}
    counted = Counter(state(row) for row in rows)
    words = Counter(answer.verdict for name in asked(rows) if (answer := told(name)))
    lines = [HEAD]
    left = counted["open"]
    lines.append(
        f"Of {len(rows)} claims {counted['answered']} have an answer, {counted['shown elsewhere']} are shown "
        f"elsewhere, and {left or 'none'} {'are' if left > 1 else 'is'} open. "
        f"Of the {sum(words.values())} questions behind the answers "
        + ", ".join(f"{words[word]} are {word}" for word in WORDS)
        + ".\n"
    )
    for part in data["parts"]:
        lines += [f"## {part['title']}", "", "| | claim | what was asked, and what came out |", "|---|---|---|"]
        lines += [*(claim_line(row) for row in part["rows"]), ""]
    lines += ["## What the commenters said, and what came out", ""]
    said = [comment_line(comment, by_id) for comment in data["comments"]]
    first = Counter(line.rsplit(" | ", 1)[1].split()[0].strip(",") for line in said)
    lines += [
        f"Of {len(said)} things that were said {first['Right']} came out right here, {first['In']} in part, "
        f"{first['Wrong']} wrong; of the others no such word can be said.\n"
    ]
    lines += ["| said | claims | came out |", "|---|---|---|"]
    lines += [*said, ""]
    if apart := sorted(set(every_question()) - set(asked(rows))):
        lines += [f"Questions that test none of these claims: {', '.join(_link(name) for name in apart)}.", ""]
    return "\n".join(lines)


def asked(rows: list[dict[str, Any]]) -> list[str]:
    """Names of all questions that some claim names, each once."""
    return list(dict.fromkeys(name for row in rows for name in row["questions"]))


def every_question() -> list[str]:
    """Names of all questions that are there."""
    return [file.parent.name.replace("_", "-") for file in sorted(QUESTIONS.glob("*/question.py"))]


def write() -> bool:
    """Write the page where it changed, and say whether it did."""
    file, text = DOCS / "seeds.md", page()
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return False
    file.write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    write()
