"""Attributions of token models: at the embedding, at later layers, and by baseline tokens; known by construction."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError
from imprint.probes.attributions.base import ATTRIBUTIONS, Attributor, LayerAttributor
from imprint.probes.subjects.subject import Subject

GRADIENT = ["deep_lift", "gradient_times_input", "integrated_gradients"]
REPLACING = ["feature_ablation", "occlusion", "shapley_sampling"]


class Additive(nn.Module):
    """The value is the sum over positions of ``place[t] * worth[token]``."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix = nn.Embedding(7, 5), nn.Linear(5, 5)
        self.place = torch.tensor([1.0, -2.0, 0.5, 0.0])
        with torch.no_grad():
            for i, p in enumerate(self.parameters()):
                p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(i)))

    def forward(self, tokens: Tensor) -> Tensor:
        return (self.mix(self.embed(tokens)).sum(2) * self.place[: tokens.shape[1]]).sum(1)

    def worth(self, tokens: Tensor) -> Tensor:
        return (self.mix(self.embed(tokens)).sum(2) * self.place).detach()


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(0, 7, (9, 4), generator=torch.Generator().manual_seed(0))


def build(name: str, **settings: object) -> Attributor:
    made: Attributor = ATTRIBUTIONS.load(name)(**settings)
    return made


@pytest.mark.parametrize("site", ["embed", "mix"])
@pytest.mark.parametrize("baseline", ["mean", 3])
def test_layer_members_give_every_token_its_worth(site: str, baseline: str | int, tokens: Tensor) -> None:
    model = Additive().eval()
    worth = model.worth(tokens)
    start = worth.mean(0) if baseline == "mean" else model.worth(torch.full_like(tokens, 3))
    for member in (
        build("layer_integrated_gradients", site=site, baseline=baseline),
        build("layer_conductance", site=site, baseline=baseline, path="embed"),
    ):
        found = member(Subject(model), tokens)
        torch.testing.assert_close(found.by_position(4), worth - start, atol=1e-4, rtol=1e-4)
        assert float(found.completeness_error.abs().max()) < 1e-4
        with pytest.raises(ImprintError, match="20 units, which are not 3 equal positions"):
            found.by_position(3)


@pytest.mark.parametrize("name", REPLACING)
def test_members_that_replace_put_the_baseline_token_in_its_place(name: str, tokens: Tensor) -> None:
    model = Additive().eval()
    found = build(name, baseline=3, patch=(1,))(Subject(model), tokens)
    expected = model.worth(tokens) - model.worth(torch.full_like(tokens, 3))
    torch.testing.assert_close(found.attributions, expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(ImprintError, match="name the token to put in the place of others"):
        build(name, patch=(1,))(Subject(model), tokens)


@pytest.mark.parametrize("name", GRADIENT)
def test_what_needs_a_gradient_names_the_embedding(name: str, tokens: Tensor) -> None:
    with pytest.raises(ImprintError, match=r"no gradient.*layer_integrated_gradients\(site='embed'\)"):
        build(name)(Subject(Additive().eval()), tokens)


def test_what_cannot_be_meant_is_refused(tokens: Tensor) -> None:
    subject = Subject(Additive().eval())
    with pytest.raises(ImprintError, match=r"no line leads from one to another.*path='embed'"):
        build("layer_conductance", site="mix")(subject, tokens)
    with pytest.raises(ImprintError, match="the baseline 7: are int64, from 7 to 7, and the model does not take them"):
        build("layer_integrated_gradients", site="mix", baseline=7)(subject, tokens)
    with pytest.raises(ImprintError, match="'mean' or 'zeros', or the number of a token"):
        build("layer_integrated_gradients", site="mix", baseline="median")(subject, tokens)
    with pytest.raises(ImprintError, match="baseline is the token 3, and observations are float32"):
        build("feature_ablation", baseline=3)(Subject(nn.Linear(4, 1)), torch.ones(2, 4))


def test_images_of_bytes_are_attributed_to_as_floats() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(12, 1)

        def forward(self, image: Tensor) -> Tensor:
            return self.out(image.float().flatten(1) / 255).tanh()

    model = Scaled().eval()
    image = torch.randint(0, 256, (5, 3, 2, 2), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    for name in sorted(ATTRIBUTIONS.names()):
        at = {"site": "out"} if issubclass(ATTRIBUTIONS.load(name), LayerAttributor) else {}
        if name != "deep_lift":  # refuses torch's tanh function, with floats as well
            one, two = (build(name, **at)(Subject(model), x) for x in (image, image.float()))
            assert torch.equal(one.attributions, two.attributions), name
