"""Birds that learn a song from an innate judge of it, and birds that also choose how much to practise.

A *species* has a song of its own: what the vocal tract of :mod:`imprint.models.environments.song` gives to random motor
commands, reduced to spectro-temporal features, is the template of its judge (:mod:`imprint.models.steering.tutor`). The
birds of a species hatch with different random motor programs. Nobody shows them the template, and the judge gives one
number when a song is over. A program has a preference for each level of each articulator in each frame; a rendition
draws from them, and what was drawn when the song came out better than the others of the day is preferred more:

    preference += rate  mean over renditions of  (score - mean) / sd  (drawn - its probability)

(REINFORCE: Williams 1992, for units that explore as LMAN does: Fiete et al. 2007; the division by the spread of scores
is the range adaptation of dopamine cells: Tobler et al. 2005.) Arms:

    hearing     as described
    deaf        the bird hears nothing, and neither does its judge
    scrambled   the judge's template is made from the same commands in another order: another song is judged good
    plain body  the slackening muscle and the right side of the syrinx are cut: a sound has fewer postures

*Practice*: each day a bird chooses for every one of ``MOMENTS`` whether to sing or to forage, by one preference that is
learned in the same way. Foraging gives food, singing gives the judge's score J. What teaches what:

    two channels     song: J.    choice: an innate need to practise, 1 - (mean J of late), against food
    one scalar       both: J when singing, food when foraging
    one, reversed    both: 1 - J when singing, food when foraging
    no food          one scalar, with nothing to forage (control: the scalar can teach singing)
    one scalar, slow one scalar, and a choice that is learned no faster than the song

(Byrnes, "Reward is not enough": the better the song, the more it should be repeated, and the less is practice needed.)

Letters: B birds (species x birds of each), n renditions, T frames, P articulators, L levels, k features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import generator
from imprint.models.environments.song.environment import LEVELS, Song
from imprint.models.environments.song.tract import ARTICULATORS, PLAIN, features
from imprint.models.steering.base import Body, Senses
from imprint.models.steering.tutor import Tutor

FEATURES = ("loudness", "centre", "spread", "rise")
"""What the judge compares, all of it heard."""
P, RATE, BATCH = len(ARTICULATORS), 1.0, 64
TOLERANCE, NOISE, HATCH = 0.1, 0.1, 0.5
"""Of the judge; and the standard deviation of preferences in a bird that has just hatched."""
RENDITIONS = 64
"""Songs by which a program is measured, and those of which a template is the mean."""
ARMS = ("hearing", "deaf", "scrambled", "plain body")
CHOICES = ("two channels", "one scalar", "one, reversed", "no food", "one scalar, slow")
MOMENTS, FOOD, LATE, WHIM = 64, 0.4, 0.05, 0.05
"""Moments of a day, worth of what is foraged, rate of running means, least probability of either choice."""
CHOICE_RATE, SLOW = 4.0, 0.5
"""Rate of the choice: it settles in days, the song takes weeks; and one at which it is as slow as the song."""


class Songs(NamedTuple):
    """Renditions of N programs or commands."""

    heard: Tensor
    """Features for the judge, ``[k, N, T]``; those of silence for the deaf."""
    true: Tensor
    """The same, heard or not."""
    sound: Tensor
    """Spectrograms ``[N, T, F]``."""


def sing(body: Song, commands: Tensor, rng: torch.Generator) -> Songs:
    """What levels ``[N, T, P]`` sound like."""
    place = LEVELS ** torch.arange(P - 1, -1, -1)
    actions, state = (commands * place).sum(2), body.levels(len(commands), rng=rng)
    sounds = [body.sound(state)]
    for step in range(body.settings.length):
        state = body.follow(state, actions[:, step]).after
        sounds.append(body.sound(state))
    every = torch.stack(sounds, 1)
    known = {name: value.unflatten(0, every.shape[:2]) for name, value in features(every.flatten(0, 1)).items()}
    known["rise"] = known["centre"].diff(dim=1, prepend=known["centre"][:, :1])
    true = torch.stack([known[name][:, 1:] for name in FEATURES])
    return Songs(torch.zeros_like(true) if body.settings.deaf else true, true, every[:, 1:])


class Flock:
    """The birds of some species, and the judges that they were born with."""

    def __init__(self, species: Sequence[int], birds: int, arm: str = "hearing") -> None:
        self.species, self.birds = species, birds
        self.body = Song(Song.Settings(deaf=arm == "deaf", plain=arm == "plain body"))
        self.rng = generator("singing", arm, *species)
        self.judges, self.perfect = self._judges(mixed=False)
        """Of each species; and the score ``[species]`` of the very commands that its template was made from."""
        self.taught_by, self.best = self._judges(mixed=True) if arm == "scrambled" else (self.judges, self.perfect)
        length = self.body.settings.length
        hatched = [torch.randn(birds, length, P, LEVELS, generator=generator("hatch", each)) for each in species]
        self.preference = HATCH * torch.cat(hatched)

    def _judges(self, *, mixed: bool) -> tuple[list[Tutor], Tensor]:
        """Judges whose templates are the mean features of renditions of random commands, and what these score.

        The commands have air in every frame; ``mixed``: they are given in another order.
        """
        rngs, songs = [generator("species", each) for each in self.species], []
        for rng in rngs:
            commands = torch.randint(0, LEVELS, (self.body.settings.length, P), generator=rng)
            commands[:, 0] = commands[:, 0].clamp(min=1)
            order = torch.randperm(len(commands), generator=rng)
            commands = commands[order] if mixed else commands
            songs.append(sing(self.body, commands.expand(RENDITIONS, -1, -1), rng).true)
        judges = [self._judge(each.mean(1)) for each in songs]
        return judges, self.judged(torch.cat(songs, 1), judges, 1).mean(1)

    @staticmethod
    def _judge(template: Tensor) -> Tutor:
        values = {name: tuple(line) for name, line in zip(FEATURES, template.tolist(), strict=True)}
        return Tutor(Tutor.Settings(name="judge", template=values, tolerance=TOLERANCE, noise=NOISE))

    def judged(self, features: Tensor, judges: Sequence[Tutor], birds: int | None = None) -> Tensor:
        """Scores ``[B, n]`` of songs ``[k, B n, T]`` by the judge of each species, which has so many birds."""
        parts = features.unflatten(1, (len(judges), -1)).unbind(1)
        scores = [
            judge(Senses(dict(zip(FEATURES, part, strict=True))), Body({}), rng=self.rng)[:, -1]
            for judge, part in zip(judges, parts, strict=True)
        ]
        return torch.stack(scores).reshape(len(judges) * (birds or self.birds), -1)

    def draw(self, n: int) -> Tensor:
        """Levels ``[B, n, T, P]`` of ``n`` renditions of every bird."""
        chance = self.preference.softmax(-1)
        drawn = torch.multinomial(chance.reshape(-1, LEVELS), n, replacement=True, generator=self.rng)
        return drawn.reshape(*self.preference.shape[:3], n).permute(0, 3, 1, 2)

    def rehearse(self, n: int) -> tuple[Tensor, Tensor]:
        """Commands ``[B, n, T, P]`` of as many renditions, and what the teaching judge says of them, ``[B, n]``."""
        commands = self.draw(n)
        heard = sing(self.body, commands.flatten(0, 1), self.rng).heard
        return commands, self.judged(heard, self.taught_by)

    def practise(self) -> None:
        """A day of songs, each compared with the mean of the day."""
        commands, score = self.rehearse(BATCH)
        self.reinforce(commands, score - score.mean(1, keepdim=True), torch.ones_like(score))

    def reinforce(self, commands: Tensor, error: Tensor, sung: Tensor) -> None:
        """Prefer more what was drawn where the ``error`` ``[B, n]`` is positive; ``sung``: 1 or 0, ``[B, n]``."""
        count = sung.sum(1, keepdim=True).clamp(min=1)
        mean = (error * sung).sum(1, keepdim=True) / count
        spread = ((error - mean).square() * sung).sum(1, keepdim=True).div(count).sqrt().clamp(min=1e-6)
        eligible = F.one_hot(commands, LEVELS).float() - self.preference.softmax(-1)[:, None]
        step = torch.einsum("bn,bntpl->btpl", error * sung / spread / sung.shape[1], eligible)
        self.preference = self.preference + RATE * step

    def measured(self) -> dict[str, Tensor]:
        """Score ``[B]`` by the species' judge and by the one that teaches, as a part of a perfect song's."""
        songs = sing(self.body, self.draw(RENDITIONS).flatten(0, 1), self.rng)
        pairs = {"score": (self.judges, self.perfect), "score by its teacher": (self.taught_by, self.best)}
        return {
            name: self.judged(songs.true, judges).mean(1) / perfect.repeat_interleave(self.birds)
            for name, (judges, perfect) in pairs.items()
        }

    def alike(self) -> dict[str, Tensor]:
        """Mean correlation ``[B]`` with the other birds of the species, and with those of others.

        Of songs (spectrograms less the mean spectrogram of babbling) and of motor programs (expected levels, less the
        middle). Articulators that do nothing in a plain body are left out there.
        """
        every = torch.randint(0, LEVELS, (500, *self.preference.shape[1:3]), generator=self.rng)
        babble = sing(self.body, every, self.rng).sound.mean(0)
        songs = sing(self.body, self.draw(RENDITIONS).flatten(0, 1), self.rng).sound
        song = songs.unflatten(0, (-1, RENDITIONS)).mean(1) - babble
        moved = PLAIN if self.body.settings.plain else ARTICULATORS
        matter = [ARTICULATORS.index(name) for name in moved]
        level = self.preference.softmax(-1) @ torch.linspace(-0.5, 0.5, LEVELS)
        kin = torch.arange(len(level)) // self.birds
        same = (kin[:, None] == kin) & ~torch.eye(len(kin), dtype=torch.bool)
        found = {}
        for name, vectors in (("song", song.flatten(1)), ("motor program", level[..., matter].flatten(1))):
            alike = torch.corrcoef(vectors)
            found[f"{name} alike"] = (alike * same).sum(1) / same.sum(1).clamp(min=1)
            apart = kin[:, None] != kin
            found[f"{name} alike, other species"] = (alike * apart).sum(1) / apart.sum(1).clamp(min=1)
        return found


def _rows(values: dict[str, Tensor], flock: Flock, **about: Any) -> list[dict[str, Any]]:
    """A row for each species and number: the mean over its birds."""
    rows = []
    for name, per_bird in values.items():
        means = per_bird.reshape(-1, flock.birds).mean(1).tolist()
        rows += [
            {**about, "measure": name, "seed": seed, "value": value}
            for seed, value in zip(flock.species, means, strict=True)
        ]
    return rows


def raise_birds(species: Sequence[int], *, birds: int, arm: str, days: int, looks: int, say: Say) -> pd.DataFrame:
    """Every measure of the birds of one arm, on the day they hatch and later."""
    flock, rows = Flock(species, birds, arm), []
    for day in range(days + 1):
        if day % max(days // looks, 1) == 0 or day == days:
            rows += _rows(flock.measured() | flock.alike(), flock, arm=arm, day=day)
            say(day, days, "birds sing")
        if day < days:
            flock.practise()
    babbling = Flock(species, birds, "hearing")
    babbling.preference = torch.zeros_like(babbling.preference)
    rows += _rows({"score": babbling.measured()["score"]}, flock, arm="babble", day=0)
    return pd.DataFrame(rows)


def choose(species: Sequence[int], *, channels: str, days: int, good: float, say: Say) -> pd.DataFrame:
    """Birds that choose when to practise; a row for each species and number (see :func:`of_days`)."""
    flock, chance = Flock(species, 1), generator("choices", channels, *species)
    food, rate = 0.0 if channels == "no food" else FOOD, SLOW if channels == "one scalar, slow" else CHOICE_RATE
    wants, late, expected = torch.zeros(len(species)), torch.zeros(len(species)), torch.full((len(species),), food)
    scores, sang = torch.zeros(days, len(species)), torch.zeros(days, len(species))
    for day in range(days):
        chosen = torch.sigmoid(wants) * (1 - 2 * WHIM) + WHIM
        sung = (torch.rand(len(species), MOMENTS, generator=chance) < chosen[:, None]).float()
        commands, score = flock.rehearse(MOMENTS)
        mean = (score * sung).sum(1) / sung.sum(1).clamp(min=1)
        late = torch.where(sung.sum(1) > 0, late + LATE * (mean - late), late)
        need = (1.0 - late)[:, None].expand_as(score)
        worth = need if channels == "two channels" else 1.0 - score if channels == "one, reversed" else score
        surprise = torch.where(sung > 0, worth, food) - expected[:, None]
        flock.reinforce(commands, score - mean[:, None] if channels == "two channels" else surprise, sung)
        wants = (wants + rate * (surprise * (sung - chosen[:, None])).mean(1)).clamp(-4.0, 4.0)
        expected = expected + LATE * surprise.mean(1)
        scores[day], sang[day] = score.mean(1) / flock.perfect, chosen
        say(day + 1, days, "birds choose")
    return of_days(scores, sang, (species, channels, good))


def of_days(scores: Tensor, sang: Tensor, about: tuple[Sequence[int], str, float]) -> pd.DataFrame:
    """Numbers ``[B]`` of lives whose days ``[days, B]`` are known.

    ``days``: until the song is good (all days, if it never is); ``practice while bad``: mean probability of singing on
    days on which the song is at most half as good; ``practice in the end``, ``score in the end``: over the last tenth.
    """
    species, channels, good = about
    reached = scores >= good
    first = torch.where(reached.any(0), reached.float().argmax(0) + 1, len(scores)).float()
    bad, end = (scores < good / 2).float(), slice(-max(len(scores) // 10, 1), None)
    numbers = {
        "days": first,
        "practice while bad": (sang * bad).sum(0) / bad.sum(0),
        "practice in the end": sang[end].mean(0),
        "score in the end": scores[end].mean(0),
    }
    rows = [
        {"arm": channels, "measure": name, "seed": seed, "value": value}
        for name, values in numbers.items()
        for seed, value in zip(species, values.tolist(), strict=True)
    ]
    return pd.DataFrame(rows)
