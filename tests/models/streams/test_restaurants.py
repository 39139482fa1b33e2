from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LinearRegression

from imprint.models.streams.restaurants import Restaurants


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fit(stream: Restaurants, terms: bool) -> float:
    """Share of the variance of sales that a weighted sum of contexts, or of the true terms, says."""
    x, y = stream.draw(4000, rng=rng(1))
    seen = (stream.terms(x) if terms else x).numpy()
    return float(LinearRegression().fit(seen[:2000], y[:2000]).score(seen[2000:], y[2000:]))


def test_sales_are_products_and_thresholds_and_no_weighted_sum_of_contexts() -> None:
    found = [
        (fit(made, False), fit(made, True))
        for made in (Restaurants(Restaurants.Settings(), rng=rng(s)) for s in range(5))
    ]
    assert np.mean([linear for linear, _ in found]) < 0.5
    assert min(true for _, true in found) > 0.97  # the noise has a variance of 0.01


def test_without_products_and_noise_thresholds_alone_say_it() -> None:
    made = Restaurants(Restaurants.Settings(products=0, thresholds=1, noise=0.0), rng=rng())
    _, y = made.draw(500, rng=rng(1))
    assert len(y.unique()) == 2 and abs(float(y.mean())) < 0.2


def test_restaurants_differ_and_sales_have_variance_one() -> None:
    _, y = Restaurants(Restaurants.Settings(restaurants=3, noise=0.0), rng=rng()).draw(5000, rng=rng(1))
    assert y.std(0).sub(1).abs().max() < 0.1 and float(torch.corrcoef(y.T)[0, 1].abs()) < 0.99
