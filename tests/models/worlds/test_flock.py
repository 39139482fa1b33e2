from __future__ import annotations

import numpy as np
import pytest
import torch

from imprint.models.errors import ImprintError
from imprint.models.handwriting import FIGURE
from imprint.models.setup.load import load_setup
from imprint.models.steering.base import Body
from imprint.models.steering.social import Social
from imprint.models.worlds.flock import EATEN, EATERS, HALF, HEIGHT, Flock

WORLD = Flock(Flock.Settings(pixel_noise=0.0))


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_only_the_eater_is_seen_and_only_wings_say_what_it_feels() -> None:
    for eater in EATERS:
        sad, glad = (
            WORLD.sample(60, rng=rng(0), do={"eater": eater, "glad": glad}).observation for glad in (False, True)
        )
        assert torch.equal(sad[:, :EATEN], glad[:, :EATEN]), "nothing shows beforehand"
        differs = (sad != glad)[:, EATEN:, 0].any(0).any(0)
        lower, upper = differs[HALF:].any(), differs[:HALF].any()
        assert (bool(lower), bool(upper)) == ((True, False) if eater == "self" else (False, True))
        assert not differs[:, :FIGURE].any() and float(sad[:, EATEN:, :, :, :FIGURE].abs().max()) == 0.0
    own, mate, beast = (WORLD.sample(9, rng=rng(1), do={"eater": e, "glad": True}).observation for e in EATERS)
    assert torch.equal(own[:, :, :, HALF:, FIGURE:], mate[:, :, :, :HALF, FIGURE:]), "one body, in another half"
    assert not torch.equal(mate, beast)


def test_wings_everywhere_do_not_tell_who_ate() -> None:
    world = WORLD.with_settings(wings="everywhere")
    sad, glad = (world.sample(30, rng=rng(0), do={"eater": "self", "glad": glad}).observation for glad in (False, True))
    differs = (sad != glad)[:, EATEN:, 0].any(0).any(0)
    assert differs[:HALF].any() and differs[HALF:HEIGHT].any()


def test_senses_know_the_truth_of_oneself_and_social_signals_that_of_flockmates() -> None:
    batch = WORLD.sample(600, rng=rng(2), design="balanced")
    facts, senses = batch.concepts, WORLD.senses(batch)
    flag = {name: torch.tensor(facts[name].to_numpy(dtype=bool)) for name in ("own_joy", "others_joy", "glad")}
    eater = facts["eater"].to_numpy()
    assert torch.equal(senses["pleasure"].sum(1) == 2, flag["own_joy"])
    assert torch.equal(senses["eating"][:, 0] > 0, torch.tensor(eater == "self"))
    shared = Social(Social.Settings(name="s", feeling="shown", present="conspecific"))(senses, Body({}), rng=rng(3))
    assert torch.equal(shared.sum(1) == 2, flag["others_joy"]), "not a beast's, not one's own"
    assert torch.equal(senses["shown"].sum(1) == 2, flag["glad"] & torch.tensor(eater != "self"))


def test_training_makes_glad_as_the_settings_say_whoever_eats() -> None:
    facts = WORLD.derive(WORLD.draw_factors(20_000, rng(4)))
    for eater in EATERS:
        part = facts[facts["eater"] == eater]
        rates = [part["good"].mean(), *(part.loc[part["good"] == good, "glad"].mean() for good in (True, False))]
        assert np.allclose(rates, [0.5, 0.95, 0.05], atol=0.03)
    changed = WORLD.set_good(facts[list(WORLD.factors)], ~facts["good"].to_numpy())
    assert (WORLD.derive(changed)["good"] != facts["good"]).all() and changed["glad"].equals(facts["glad"])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"good_kinds": [0, 5]}, "different digits"),
        ({"good_kinds": [0]}, "1 good and 2 bad"),
        ({"wings": "up"}, "wings"),
    ],
)
def test_kinds_that_do_not_fit_are_refused(change: dict[str, object], match: str) -> None:
    changes = {"world": {"kind": "flock", **change}, "learner": {"kind": "recurrent"}}
    with pytest.raises(ImprintError, match=match):
        load_setup("nest", changes=changes)
