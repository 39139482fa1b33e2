"""The onlooker's room: who walks, who is held, what each of them is paid for, and what is seen of it."""

from __future__ import annotations

import torch

from imprint.models.environments.coin import Coin
from imprint.models.environments.onlooker import Onlooker
from imprint.models.states import State, rows


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def world(watched: float = 0.5, *, shelter: bool = False) -> Onlooker:
    return Onlooker(Onlooker.Settings(watched=watched, marked=True, shelter=shelter), design="moved")


def after(room: Onlooker, state: State, steps: int, seed: int = 1) -> State:
    for action in torch.randint(0, 4, (steps, len(state["clock"])), generator=rng(seed)):
        state = room.follow(state, action).after
    return state


def test_one_of_two_walks_and_the_other_stays_where_it_was_held() -> None:
    room = world()
    start = room.levels(400, rng=rng())
    held, end = start["held"], after(room, start, 5)
    assert 0.4 < float(held.float().mean()) < 0.6
    assert torch.equal(start["agent"][held], end["agent"][held]) and bool(
        (start["other"][held] != end["other"][held]).any()
    )
    assert bool((start["agent"][~held] != end["agent"][~held]).any()) and bool((end["other"][~held] == -1).all())
    seat, walls = start["agent"][held], start["walls"][held].flatten(1)
    assert not walls.gather(1, seat[:, None]).any()
    assert bool((seat != start["other"][held]).all() & (seat != start["coin"][held]).all())


def test_the_others_walk_is_the_agents_own_walk_in_a_room_without_it() -> None:
    room = world(1.0)
    start = room.levels(200, rng=rng())
    alone = {**start, "agent": Onlooker.walker(start), "held": torch.zeros(200, dtype=torch.bool)}
    alone["other"] = torch.full((200,), -1)
    action = torch.randint(0, 4, (200,), generator=rng(2))
    one, other = room.follow(start, action), room.follow(alone, action)
    assert torch.equal(one.after["other"], other.after["agent"]) and torch.equal(one.terminated, other.terminated)
    mine, theirs = (room.senses(each.before, action, each.after) for each in (other, one))
    assert torch.equal(mine["coin_taken"], theirs["coin_lost"])
    assert not mine["coin_lost"].any() and not any(
        theirs[name].any() for name in ("coin_taken", "corner_reached", "bumped")
    )


def test_nobody_to_watch_is_the_room_of_coin_with_two_empty_planes() -> None:
    room, plain = world(0.0), Coin(Coin.Settings(marked=True), design="moved")
    start = room.levels(50, rng=rng())
    own = {name: value for name, value in start.items() if name not in ("other", "held")}
    assert torch.equal(room.observe(start)[:, :4], plain.observe(own)) and not room.observe(start)[:, 4:].any()
    assert room.ascii(start) == plain.ascii(own) and torch.equal(room.paint(start), plain.paint(own))


def test_planes_pictures_and_text_show_where_both_are() -> None:
    room = world(1.0)
    start = room.levels(20, rng=rng())
    start = rows(start, torch.nonzero(start["held"]).flatten())
    planes = room.observe(start).flatten(2)
    assert torch.equal(planes[:, 4].argmax(1), start["other"]) and torch.equal(planes[:, 5].argmax(1), start["agent"])
    assert torch.equal(planes[:, 1], planes[:, 5])
    texts = [text.replace("\n", "") for text in room.ascii(start)]
    cells = [divmod(int(other), 7) for other in start["other"]]
    assert all(text[(r + 1) * 9 + c + 1] == "o" for text, (r, c) in zip(texts, cells, strict=True))
    purple = torch.tensor([140, 70, 150], dtype=torch.uint8)
    spots = (room.paint(start) == purple).all(-1)
    for picture, (r, c) in zip(spots, cells, strict=True):
        inside = picture[8 * (r + 1) : 8 * (r + 2), 8 * (c + 1) : 8 * (c + 2)]
        assert inside.any() and int(inside.sum()) == int(picture.sum())


def test_a_shelter_ends_the_episode_of_whoever_reaches_it() -> None:
    for shelter in (False, True):
        room = world(shelter=shelter)
        state = room.levels(100, rng=rng())
        there = {**state, "agent": torch.where(state["held"], state["agent"], state["corner"])}
        there["other"] = torch.where(state["held"], state["corner"], -1)
        assert bool(room.ended(there).all()) == shelter and bool(room.ended(there).any()) == shelter
