"""birdsong: can a judge that knows what a good song is like, and not how it is sung, make a singer?

A hardcoded judge scores whole songs by what is heard. Birds that hatch with random motor programs and are told one
number a song come to sing a song that they were never shown. What is measured, with all arms:
:mod:`imprint.analyses.questions.birdsong.measure`. The second part asks whether one number is enough for a bird that
must also decide how much to practise: what makes a song worth repeating makes a bad song a reason to stop.

Deviations from the source: the song is eight frames of a toy syrinx; the judge gives its score when the song is over;
learning is REINFORCE on motor preferences. That many motor programs make one song is a property of the body, which was
made so on pilot seeds (a first body, with one redundancy, gave motor programs that correlated .5 to .8); what is asked
is whether a judge of sounds leaves that freedom open, and the plain body is its control. Songs are compared as
spectrograms, of which the judge knows four numbers a frame. A species is the unit: its birds share a template.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged, together
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.birdsong.exhibits import exhibits
from imprint.analyses.questions.birdsong.measure import ARMS, CHOICES, choose, raise_birds
from imprint.analyses.statistics import Estimate, mean_of_all

AT_BIRTH, LEARNED, FLAT, ALIKE, UNLIKE, STRANGE = 0.05, 0.9, 0.05, 0.8, 0.6, 0.3
FASTER, SELDOM, MORE, GOOD = 2.0, 0.2, 0.4, 0.8


class Settings(QuestionSettings):
    """How many species, how many birds of each, and for how long."""

    seeds: int = Field(12, ge=2)
    """Training seeds, numbered from ``seed``: species, each with a song of its own."""
    birds: int = Field(3, ge=2, le=100)
    """Birds of each species, which hatch with different motor programs."""
    days: int = Field(200, ge=1, le=10**6)
    """Days of song, each of 64 renditions."""
    looks: int = Field(4, ge=1, le=1000)
    """Times at which the birds are measured after hatching."""
    life: int = Field(600, ge=10, le=10**6)
    """Days of birds that choose how much to practise."""


class Birdsong(Question[Settings]):
    """Song learned from a judge alone, and how one scalar fails to run both song and practice."""

    card: ClassVar[Card] = Card(
        question="Can an innate judge of what is heard make a singer of a bird that is never shown the song or how to "
        "sing it, and can the judge's one number also decide how much the bird practises?",
        prediction="Newborn birds babble, grown ones reach nine tenths of a perfect song's score; birds of a species "
        "sing alike with motor programs that are not alike. One scalar for song and practice keeps a bad singer from "
        "practising; two channels do not.",
        refuted_if="One of the numbers lies with its whole interval on the wrong side of its bound.",
        decision="Song. Scores are parts of a perfect song's score. By species, mean over its birds: newborn less "
        f"babbling birds (every command equally probable) within {AT_BIRTH:g} of 0; grown at least {LEARNED:g}; grown "
        f"birds of one species, mean correlation of spectrograms at least {ALIKE:g}, of motor programs at most "
        f"{UNLIKE:g}. Controls: grown deaf birds at most {FLAT:g} above babbling; birds whose judge was made from the "
        f"commands in another order reach {LEARNED:g} by that judge and at most 0.5 by their species' own; songs "
        f"of different species correlate at most {STRANGE:g}; in a plain body, with less freedom, motor programs "
        f"correlate at least 0.2 more. Practice. Days until the song is good ({GOOD:g} of a perfect one; all days, if "
        f"never): one scalar at least {FASTER:g} times those of two channels; mean probability of practising while the "
        f"song is at most half as good: two channels less one scalar at least {MORE:g}. Controls: one scalar with no "
        "foraging needs at most 1.5 times the days of two channels (the scalar can teach singing); two channels "
        f"practise in the end at most {SELDOM:g}. Student's 95 % intervals over species wholly inside: held; all "
        "held: confirmed. The reversed scalar, and one with a slow choice, are shown, not judged.",
        source='Byrnes, "Intro to brain-like-AGI safety", post 2, 2.3.2; Byrnes, "Reward is not enough" (2021).',
    )
    metrics: ClassVar[Metrics] = {
        "birdsong": "the verdict",
        "score": "judge's score as a part of that of a perfect song; age: days of song",
        "score_by_its_teacher": "the same by the judge that teaches",
        "song_alike": "mean correlation of spectrograms with the other birds of the species",
        "song_alike,_other_species": "the same with birds of other species",
        "motor_program_alike": "mean correlation of motor programs with the other birds of the species",
        "motor_program_alike,_other_species": "the same with birds of other species",
        "days": "days until the song is good; all days of life if it never is",
        "practice_while_bad": "mean probability of practising on days on which the song is at most half as good",
        "practice_in_the_end": "mean probability of practising in the last tenth of the days",
        "score_in_the_end": "score in the last tenth of the days",
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        expected = [
            Expected("newborn less babbling (from 0)", AT_BIRTH, 0.03, between=True, of="newborn less babbling"),
            Expected("grown (from .97)", 0.07, 0.02, of="grown"),
            Expected("songs alike (from .92)", 0.12, 0.03, of="songs alike"),
            Expected("motor programs alike (from .48)", 0.12, 0.07, of="motor programs alike"),
            Expected("days, one scalar by two (from 5.4)", 3.4, 3.9, of="days, one scalar by two channels"),
            Expected("practice while bad, two less one (from .66)", 0.26, 0.1, of="practice while bad, two less one"),
        ]
        return bought(self.settings.seeds, expected, "Spreads over species are those of four pilot seeds (500 to 503).")

    def work(self) -> list[Work]:
        """One piece per arm."""
        s = self.settings
        species = tuple(range(s.seed, s.seed + s.seeds))
        song = {"species": species, "birds": s.birds, "days": s.days, "looks": s.looks}
        practice = {"species": species, "days": s.life, "good": GOOD}
        pieces = [Work(f"song-{i}", raise_birds, {"arm": arm, **song}) for i, arm in enumerate(ARMS)]
        return pieces + [
            Work(f"practice-{i}", choose, {"channels": name, **practice}) for i, name in enumerate(CHOICES)
        ]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        songs, lives = joined(tables, "song-"), joined(tables, "practice-")
        songs = songs.drop_duplicates(["arm", "day", "measure", "seed"])
        verdict = decide(songs, lives)
        over_songs, over_lives = over_seeds(songs, ["arm", "day", "measure"]), over_seeds(lives, ["arm", "measure"])
        rows = self.rows(over_songs, "value", _about) + self.rows(over_lives, "value", _about)
        return self.answer(verdict, rows, exhibits(over_songs, over_lives, songs, lives), sentence=in_words(verdict))


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    age = {"age": row["day"]} if "day" in row else {}
    return {"metric": row["measure"].replace(" ", "_"), "control": row["arm"], **age}


def of_arm(table: pd.DataFrame, measure: str, arm: str, day: int | None = None) -> pd.Series:
    """A number of an arm by species; on the last day, if none is given."""
    rows = table[(table["arm"] == arm) & (table["measure"] == measure)]
    if "day" in rows:
        rows = rows[rows["day"] == (rows["day"].max() if day is None else day)]
    return rows.set_index("seed")["value"].sort_index()


def decide(songs: pd.DataFrame, lives: pd.DataFrame) -> Judgement:
    """The card's rule."""

    def found(measure: str, arm: str = "hearing", day: int | None = None) -> pd.Series:
        return of_arm(songs, measure, arm, day)

    babble = found("score", "babble")
    own, motor = found("score"), found("motor program alike")
    song = [
        Prediction("newborn less babbling", mean_of_all(found("score", day=0) - babble), -AT_BIRTH, AT_BIRTH),
        Prediction("grown", mean_of_all(own), least=LEARNED),
        Prediction("songs alike", mean_of_all(found("song alike")), least=ALIKE),
        Prediction("motor programs alike", mean_of_all(motor), most=UNLIKE),
    ]
    plain = found("motor program alike", "plain body")
    song_controls = [
        Prediction("deaf less babbling", mean_of_all(found("score", "deaf") - babble), most=FLAT),
        Prediction("scrambled, by its judge", mean_of_all(found("score by its teacher", "scrambled")), least=LEARNED),
        Prediction("scrambled, by its species", mean_of_all(found("score", "scrambled")), most=0.5),
        Prediction("songs alike, other species", mean_of_all(found("song alike, other species")), most=STRANGE),
        Prediction("motor programs, plain less whole body", mean_of_all(plain - motor), least=0.2),
    ]

    def lived(measure: str, arm: str) -> pd.Series:
        return of_arm(lives, measure, arm)

    two = lived("days", "two channels")
    bad = [lived("practice while bad", name) for name in ("two channels", "one scalar")]
    practice = [
        Prediction("days, one scalar by two channels", mean_of_all(lived("days", "one scalar") / two), least=FASTER),
        Prediction("practice while bad, two less one", mean_of_all(bad[0] - bad[1]), least=MORE),
    ]
    practice_controls = [
        Prediction("days, no food by two channels", mean_of_all(lived("days", "no food") / two), most=1.5),
        Prediction("practice in the end", mean_of_all(lived("practice in the end", "two channels")), most=SELDOM),
    ]
    parts = {
        "song": judged(song, controls=song_controls, blind="A control of the song did not come out as it must."),
        "practice": judged(practice, controls=practice_controls, blind="A control of practice did not come out."),
    }
    return together(parts)


def in_words(verdict: Judgement) -> str:
    """The answer for somebody who has not read the card."""
    known: dict[str, Estimate] = {each.name: each.measured for each in verdict.predictions}
    said = "Told nothing but a score when a song is over, birds come to sing a song they never heard, to "
    said += f"{known['grown'].value:.0%} of a perfect score; birds of a species sing alike "
    said += f"({known['songs alike'].value:.2f}), and their motor programs correlate "
    said += (
        f"{known['motor programs alike'].value:.2f}. A bird for which one number both teaches the song and pays for "
    )
    said += f"singing needs {known['days, one scalar by two channels'].value:.1f} times as many days as one with two "
    return said + "channels, because it stops practising what it does badly."
