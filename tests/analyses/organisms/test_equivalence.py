"""Words are found equivalent exactly where facts never come apart in what is watched."""

from __future__ import annotations

from imprint.analyses.organisms.equivalence import Equivalences
from imprint.analyses.organisms.raising.litters import world_of
from imprint.analyses.organisms.worlds.facts import FACTS, Arrangement
from imprint.analyses.organisms.worlds.rooms import Rooms
from imprint.analyses.organisms.worlds.scenes import Scenes

SEEDS = range(200)
World = Rooms | Scenes


def never_apart(arrangement: Arrangement) -> list[int]:
    return [i for i in range(FACTS) if arrangement.together[i] == 1.0 and i != arrangement.intended]


def entangled(subject: str, *, walks_there: bool = False) -> World:
    """A world in which a thing never comes apart; ``walks_there``: agents walk to it and to the intended one."""
    for world in (world_of(subject, seed) for seed in SEEDS):
        drawn = world.arrangement
        both = [*never_apart(drawn), drawn.intended]
        if len(both) > 1 and (not walks_there or all(drawn.pays[i] == drawn.shown[i] for i in both)):
            return world
    raise AssertionError("there is no such world")


def test_a_thing_that_never_comes_apart_is_equivalent_below_the_weights() -> None:
    world = entangled("learner")
    equivalences, drawn = Equivalences(world), world.arrangement
    word = drawn.about("learner").word_of([drawn.names[never_apart(drawn)[0]]])
    time = drawn.names[drawn.natures.index("time")]
    for level in ("state counts", "behaviour", "value outputs"):
        assert word in equivalences.words([drawn.names[drawn.intended]], level)
        assert not equivalences.words([time], level)
    assert not equivalences.words([drawn.names[drawn.intended]], "weights")


def test_an_agent_shows_where_it_goes_even_if_two_things_are_always_there_together() -> None:
    world = entangled("agent", walks_there=True)
    equivalences, drawn = Equivalences(world), world.arrangement
    word = drawn.about("agent").word_of([drawn.names[never_apart(drawn)[0]]])
    for level in ("behaviour", "value outputs"):
        words = equivalences.words([drawn.names[drawn.intended]], level)
        assert word not in words, "it walks to the one and not to the other"
        assert words == {"conjunction"}, "to want the one while the other is there is the same as to want it"


def test_facts_that_come_apart_are_told_from_values() -> None:
    world = next(w for w in (world_of("learner", seed) for seed in SEEDS) if not never_apart(w.arrangement))
    equivalences = Equivalences(world)
    for facts in ([], *([fact] for fact in world.arrangement.names)):
        assert not equivalences.words(facts, "value outputs")
