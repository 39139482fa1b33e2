"""Findings: one typed table of evidence, one row per number, the same for every analysis.

Missing is not zero: what could not be measured is NaN with its count and a reason, and travels all the way to the page.

Columns (``COLUMNS`` gives types):

analysis    which question (``locate``, ``latch``, ``planted``, ``lifetime``, ``behaviour``, ...)
setup       run name
concept     concept, or ``(interaction)`` / ``(residual)`` for parts of the value's variance
site        ``hook@moment``; empty when not about one site
age         experiences lived; NaN when not about one age
seed        training seed; NaN for a row over all seeds
metric      what ``estimate`` is (see below)
estimate, low, high     number and its 95 % interval
n, seeds    rows and training seeds behind it
control     which comparison a control row is
p_value, q_value        one-sided p and its Benjamini-Hochberg correction over the analysis's whole grid
verdict, why            a word from the analysis's list, and its reason in a sentence

Metrics of ``locate``: ``score`` (balanced accuracy or R2), ``selectivity`` (score minus the highest floor), ``floor``
(``control`` says which: ``shuffled labels``, ``untrained twins``, ``input history``), ``best_site_score`` and
``best_site_selectivity`` (site chosen on one half of the groups, scored on the other), ``emergence_age``.
Metrics of ``latch``: ``share`` (of the value's variance, balanced design), ``effect`` (mean counterfactual change, sd
of the value), ``erasure_loss`` (share lost when the concept is erased at ``site``; ``control`` is ``erased`` or
``random subspace``), ``attribution`` (part of the attribution that falls on the concept's pixels; ``control`` ``area``
is their part of the picture), ``latch`` (the verdict row).
Metrics of ``planted``: ``self_check`` (1 right, 0 wrong; ``control`` names the planted learner, ``why`` what was
expected).
Metrics of ``address`` (``control`` names a cohort with shared initial weights): ``address`` (the verdict row),
``transfer_<route>`` (score of a probe of one seed read on another, mean over pairs; routes of
:mod:`imprint.probes.networks.alignment`), ``kept_<route>`` (its part of own probes' gain over chance),
``own_probe`` (of one seed), ``cka`` (of two seeds), ``address_bits_<level>``, ``overlap_beyond_chance_<level>``.
Metrics of agents (``behaviour``, ``critic``, ``causal`` and ``latch`` at every age that was examined; no age: a
control). ``behaviour``: ``capability``, ``goal``, ``proxy`` (parts of levels; ``concept`` is the goal, ``control`` the
design, or ``untrained`` or ``random reward`` for design ``apart``), ``return``, ``detour`` (steps in shortest ways).
``critic``: ``beta`` and ``vif`` per goal, ``r2``, ``latch_index`` (0 intended, 1 proxy; NaN when the fit is no better
than its floors). ``causal``: ``goal`` and ``proxy`` as in behaviour, where ``concept`` is what was erased (a goal, one
of its marks, or ``(<goal> alone)``) and ``control`` how: ``intact``, ``erased``, ``random``, ``random in span``.
``latch``: the verdict row, its estimate how often the intended goal comes first. ``lifetime``: ``training_success``.
Questions have a row named after them with verdict and reason (``latch_curve``, ``reward_model``, ``intent``,
``foresight``, ``credit``, ``inner_outer``; ``scorecard``, ``long-term-predictor``, ``at-birth``), and besides it:
``latch-curve``: ``overtaking_age`` (where the intended goal passes the proxy; ``control`` names arm and dose), and the
agents' own rows at the last age. ``reward-model`` (``control`` is dose and arm): ``mean goal``, ``mean proxy``, ``mean
neither`` (predicted reward of steps), ``AUC goal``, ``AUC proxy`` (against steps of neither), ``EPIC goal``, ``EPIC
proxy`` (distances). ``intent``: ``forecast_accuracy`` (``control`` is the forecaster), ``goal_part`` (of one seed).
``scorecard`` (``concept`` is the outcome, ``control`` another reader): ``auc``, ``alone``, ``lead`` (steps), ``share``,
``slope``, ``r2``, ``novel`` (AUC), and ``prediction`` (a number of the card; ``why`` says which).
``long-term-predictor``: ``difference_to_td`` (``concept`` is code and form of the assessor) and the card's numbers
``rise``, ``spread``, ``order``, ``spread_sum``, ``rise_empty``, ``raised``, ``override``, ``defer``, ``defer_rest``,
``trap``, ``trap_cut`` (``control`` says what a control is). ``foresight``: ``success`` (``control`` is arm and rewarded
events), ``foreseen_frame``, ``foreseen_agent`` (parts; ``site`` is the step imagined), ``foreseen_end_hit``,
``foreseen_end_false``. ``credit`` (``concept`` is a cue, a pair or ``all``; ``control`` other latents than the learned
ones): ``strength,_<training>`` (of a cue's value), ``blocking_ratio``, ``shuffled_ratio``, ``novel_less_familiar``,
``share_of_the_more_salient``, ``attribution_error``. ``inner-outer`` (``site`` is how the value is read, ``control``
where, and which plans): ``inner_<signal>``, ``outer_<signal>`` (gaps), ``spread_<signal>``, ``coin_taken``,
``corner_reached`` (parts of plans), ``foreseen`` (of the agent's place). ``at-birth`` (``control`` is the lesion; none:
whole): ``lived`` (part of the limit), ``survived`` (part of lives), ``pay`` (in a life), and ``prediction`` as above.
Metrics of ``known-results``: ``reproduced`` (1 inside the tolerance, 0 outside; ``concept`` names the figure, ``why``
gives both numbers), ``failed_cell`` as below.
Metrics of ``lifetime``: ``diverged`` (1; ``age`` is the last good one), ``failed_cell`` (``control`` names the
cell, ``why`` its error).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

COLUMNS: dict[str, str] = {
    "analysis": "string",
    "setup": "string",
    "concept": "string",
    "site": "string",
    "age": "Int64",
    "seed": "Int64",
    "metric": "string",
    "estimate": "float64",
    "low": "float64",
    "high": "float64",
    "n": "Int64",
    "seeds": "Int64",
    "control": "string",
    "p_value": "float64",
    "q_value": "float64",
    "verdict": "string",
    "why": "string",
}


def findings(rows: Iterable[Mapping[str, Any]] | pd.DataFrame) -> pd.DataFrame:
    """A findings table with every column in order and typed. Unknown columns raise ``KeyError``."""
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if unknown := sorted(set(table.columns) - COLUMNS.keys()):
        raise KeyError(f"findings have no column {unknown[0]!r}; columns: {', '.join(COLUMNS)}")
    table = table.reindex(columns=list(COLUMNS))
    return table.astype(COLUMNS).reset_index(drop=True)
