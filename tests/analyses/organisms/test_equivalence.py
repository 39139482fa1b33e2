"""Words are found equivalent exactly where facts never come apart in what is watched."""

from __future__ import annotations

from imprint.analyses.organisms.equivalence import equivalences_of
from imprint.analyses.organisms.raising.litters import world_of
from imprint.analyses.organisms.worlds.facts import FACTS, Arrangement

SEEDS = range(200)


def never_apart(arrangement: Arrangement) -> list[int]:
    return [i for i in range(FACTS) if arrangement.together[i] == 1.0 and i != arrangement.intended]


def word_of_other(arrangement: Arrangement) -> str:
    return arrangement.about("agent").word_of([arrangement.names[never_apart(arrangement)[0]]])


def entangled(subject: str, *, walks_there: bool = False) -> int:
    """A world in which a thing never comes apart; ``walks_there``: agents walk to it and to the intended one."""
    for seed in SEEDS:
        drawn = world_of(subject, seed).arrangement
        both = [*never_apart(drawn), drawn.intended]
        if len(both) > 1 and (not walks_there or all(drawn.pays[i] == drawn.shown[i] for i in both)):
            return seed
    raise AssertionError("there is no such world")


def test_a_thing_that_never_comes_apart_is_equivalent_below_the_weights() -> None:
    seed = entangled("learner")
    drawn, equivalent = world_of("learner", seed).arrangement, equivalences_of("learner", seed)
    for level in ("state counts", "behaviour", "value outputs"):
        assert word_of_other(drawn) in equivalent[(drawn.intended,), level]
        assert not equivalent[(drawn.natures.index("time"),), level]
    assert not any(level == "weights" for _, level in equivalent)


def test_an_agent_shows_where_it_goes_even_if_two_things_are_always_there_together() -> None:
    seed = entangled("agent", walks_there=True)
    drawn, equivalent = world_of("agent", seed).arrangement, equivalences_of("agent", seed)
    for level in ("behaviour", "value outputs"):
        words = equivalent[(drawn.intended,), level]
        assert word_of_other(drawn) not in words, "it walks to the one and not to the other"
        assert words == {"conjunction"}, "to want the one while the other is there is the same as to want it"


def test_facts_that_come_apart_are_told_from_values() -> None:
    seed = next(seed for seed in SEEDS if not never_apart(world_of("learner", seed).arrangement))
    equivalent = equivalences_of("learner", seed)
    for latch in ((), *((i,) for i in range(FACTS))):
        assert not equivalent[latch, "value outputs"]
