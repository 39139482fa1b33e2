"""The policies of a study, pooled over seeds into the findings that a run of our own agents has.

The floor is what untrained twins and random play do on the same levels: of each, how often every goal comes first, and
the capability of whichever reaches most. Where goals could not be erased in all seeds, what is reached decides alone.

The self-check judges random play as if it were an agent, and every untrained twin by the floor of the others; of both
the right verdict is ``undetermined``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from torch import Tensor

from imprint.analyses.engine import Cell
from imprint.analyses.evaluate.agent_studies.evidence import KeptPolicy, read_policy
from imprint.analyses.evaluate.agents.over_seeds import over_seeds
from imprint.analyses.evaluate.procedure import Pooling
from imprint.analyses.evaluate.studies.evidence import Key, keys_in
from imprint.analyses.findings import findings
from imprint.analyses.goals.critic_line import gated
from imprint.analyses.goals.decision import Judgement, judge, judgement_rows, tally
from imprint.analyses.goals.exam import EASY
from imprint.analyses.goals.levels.exam import without_erasures
from imprint.analyses.goals.wanting import chance_of, graded
from imprint.analyses.locate.stored import Floors, read_floors
from imprint.analyses.locate.targets import Targets, merge_groups, targets_of
from imprint.analyses.statistics import mean_of_known, rate_of
from imprint.analyses.verdicts import UNDETERMINED, scope
from imprint.models.errors import NotMeasurableError
from imprint.models.files import read_table
from imprint.models.setup.agent_study import AgentStudySetup
from imprint.models.store import RunFolder
from imprint.probes.readouts.base import READOUTS
from imprint.probes.samples.controls import compact_groups, folds_of

GROUP = "(group)"
"""Column of the stored states that holds the level of each."""
INPUT = "input"
"""The moment under which the raw input's floor is stored: all sites share one."""
NO_TWINS = (
    "No untrained twins were added, so random play alone is the floor; agents that are capable by the shape of their "
    "network are not told from agents that learned. Add five or more with untrained=True."
)
NO_FACTS = "No facts were given, so nothing was located in the activations and no goal could be erased."
TIES = 0.1
"""Part of the levels in which two goals are attained in the same step, above which a design is no test of both."""


class AgentStudyPooling(Pooling[AgentStudySetup]):
    """Seeds and ages are those that were added."""

    rule = tuple(f"imprint.analyses.goals.{name}" for name in ("decision", "wanting", "crossed"))

    def __init__(self, setup: AgentStudySetup, folder: RunFolder) -> None:
        keys = keys_in(folder)
        self.trained = [key for key in keys if not key.untrained]
        self.twins = [key for key in keys if key.untrained]
        ages, seeds = sorted({key.age for key in self.trained}), sorted({key.seed for key in self.trained})
        super().__init__(setup, folder, ages=ages, seeds=seeds)

    @property
    def reached(self) -> list[int]:
        """Seeds that were added at the last age."""
        return [key.seed for key in self.trained if key.age == self.ages[-1]]

    @property
    def subjects(self) -> list[str]:
        """What the policies are."""
        kept = (read_policy(self.folder, key, self.setup.goals, {}) for key in self.trained)
        return sorted({one.subject for one in kept})

    def raising(self) -> list[Cell]:
        """Nothing: the policies were trained elsewhere."""
        return []

    def examining(self, seeds: Sequence[int]) -> list[Cell]:
        """Nothing: the policies were examined when they were added."""
        return []

    def pooling(self) -> Iterator[pd.DataFrame]:
        """Rows of every policy and over seeds, verdicts, what can be read, the self-check and what is lacking."""
        targets = read_targets(self.folder, self.setup)
        regression = {} if targets is None else {target.name: target.regression for target in targets.concepts}
        kept = [read_policy(self.folder, key, self.setup.goals, regression) for key in self.trained]
        twins = [read_policy(self.folder, key, self.setup.goals, regression) for key in self.twins]
        random = read_policy(self.folder, None, self.setup.goals, regression)
        floor = [*twins, random]
        judged = {
            one.key: self._judge([one], floor) for one in kept if one.key is not None and one.key.age == self.ages[-1]
        }
        own = pd.concat([findings(one.rows) for one in kept] + [self._of_seed(one, floor, judged) for one in kept])
        untrained = pd.concat([findings(one.rows) for one in floor])
        yield own
        yield untrained
        yield over_seeds(own)
        yield over_seeds(untrained)
        yield self._verdict(own, [one for one in kept if one.key in judged], floor, judged)
        yield self._controls(twins, random)
        yield self._limits(kept, twins, targets)
        if targets is not None:
            yield self._located(targets, kept, twins)

    # -- verdicts ------------------------------------------------------------------------------------------------

    def _judge(self, agents: Sequence[KeptPolicy], floor: Sequence[KeptPolicy]) -> Judgement:
        """The verdict on some agents together, beside a floor."""
        setup = self.setup
        erased = not any(one.problem for one in agents)
        tries = [one.tries if erased else without_erasures(one.tries) for one in agents]
        chance = chance_of([one.tries.reached for one in floor], [one.tries.first for one in floor])
        rng = np.random.default_rng(0)
        numbers = graded(tries, [chance] * len(tries), setup.goals, resamples=setup.evaluation.resamples, rng=rng)
        index = np.array([self._index(one, floor)[0] for one in agents])
        mean = float(index[np.isfinite(index)].mean()) if np.isfinite(index).any() else float("nan")
        judged = judge(numbers, setup.goals, setup.decision, index=mean, erased=erased)
        return replace(judged, why=judged.why + _easy(chance))

    def _index(self, agent: KeptPolicy, floor: Sequence[KeptPolicy]) -> tuple[float, str]:
        """The gated latch index of a critic, or NaN and why there is none."""
        if agent.line is None:
            return float("nan"), agent.silent
        untrained = [one.line.r2 for one in floor if one.line is not None]
        return gated(agent.line, untrained, self.setup.decision.fits)

    def _of_seed(self, one: KeptPolicy, floor: Sequence[KeptPolicy], judged: Mapping[Key, Judgement]) -> pd.DataFrame:
        """The index of one policy's critic and, at the last age, the verdict on it."""
        assert one.key is not None
        about = {"seed": one.key.seed, "age": one.key.age, "seeds": 1}
        index, silent = self._index(one, floor)
        row = {
            **about,
            "analysis": "critic",
            "metric": "latch_index",
            "concept": self.setup.intended,
            "estimate": index,
        }
        rows = [{**row, "n": 0 if one.line is None else one.line.n, "why": silent}]
        if one.key in judged:
            first = one.tries.first[:, 0]
            rows += judgement_rows(judged[one.key], about, rate_of(int(first.sum()), len(first)).row(count="n"))
        return findings(rows)

    def _verdict(
        self, own: pd.DataFrame, last: Sequence[KeptPolicy], floor: Sequence[KeptPolicy], alone: Mapping[Key, Judgement]
    ) -> pd.DataFrame:
        """The verdict over seeds; the estimate is how often the intended goal comes first where goals lie apart."""
        judged = self._judge(last, floor)
        why = f"{judged.why} {tally([one.verdict for one in alone.values()])} This holds {scope(len(last), 1)}."
        rows = own[(own["analysis"] == "latch") & (own["metric"] == "latch")]
        over = mean_of_known(rows["estimate"].to_numpy(dtype=np.float64), self.setup.evaluation.levels).row(count=None)
        counts = {"seeds": int(rows["estimate"].notna().sum()), "n": int(rows["n"].sum())}
        return findings(judgement_rows(replace(judged, why=why), {"age": self.ages[-1]}, {**over, **counts}))

    def _controls(self, twins: Sequence[KeptPolicy], random: KeptPolicy) -> pd.DataFrame:
        """Policies that learned nothing, judged as the others are."""
        rows = []
        checked = [("random play", random, twins or [random])]
        checked += [("untrained", twin, [*twins[:t], *twins[t + 1 :], random]) for t, twin in enumerate(twins)]
        for name, one, floor in checked:
            judged = self._judge([replace(one, problem="a control")], floor)
            seed = None if one.key is None else one.key.seed
            check = {"analysis": "planted", "metric": "self_check", "concept": self.setup.intended, "control": name}
            right = {"estimate": float(judged.verdict == UNDETERMINED), "verdict": judged.verdict, "seed": seed}
            rows.append(
                {**check, **right, "n": len(one.tries.reached), "why": f"expected {UNDETERMINED}; {judged.why}"}
            )
        return findings(rows)

    # -- what can be read, and what cannot be said ---------------------------------------------------------------

    def _located(self, targets: Targets, kept: Sequence[KeptPolicy], twins: Sequence[KeptPolicy]) -> pd.DataFrame:
        """Which facts can be read where and since when, beside twins and what is observed."""
        sites = tuple(dict.fromkeys(site for one in kept for site in one.sites))
        inputs = {concept: sums for (_, concept), sums in read_floors(self.folder, 0).inputs.items()}
        read = [twin.readings for twin in twins if twin.readings]
        cells = set.intersection(*(set(readings) for readings in read)) if read else set()
        untrained = {cell: {t: readings[cell].sums for t, readings in enumerate(read)} for cell in sorted(cells)}
        moments = {site.rpartition("@")[2] for site in sites}
        floors = Floors(untrained, {(moment, concept): sums for moment in moments for concept, sums in inputs.items()})
        readings = {
            seed: {one.key.age: one.readings for one in kept if one.key is not None and one.key.seed == seed}
            for seed in self.seeds
        }
        names = [*(target.name for target in targets.concepts), *targets.problems]
        cells_wanted = [(age, site, name) for age in self.ages for site in sites for name in names]
        if not cells_wanted:
            return findings([])
        return self.grid(readings, dict.fromkeys(self.seeds, floors), [targets], cells_wanted)

    def _limits(self, kept: Sequence[KeptPolicy], twins: Sequence[KeptPolicy], targets: Targets | None) -> pd.DataFrame:
        """What is lacking, and what must be known of the policies, in sentences."""
        limits = [note for one in kept for note in one.notes]
        limits += [one.problem for one in kept if one.problem and one.problem not in " ".join(limits)]
        limits += [] if twins else [NO_TWINS]
        limits += [] if targets is not None else [NO_FACTS]
        if (tied := max(_ties(one) for one in kept)) > TIES:
            limits.append(
                f"In {tied:.0%} of the levels of design apart two goals are attained in the same step, so there they "
                "do not lie apart and neither counts."
            )
        last, reached = self.ages[-1], self.reached
        if late := [seed for seed in self.seeds if seed not in reached]:
            limits.append(
                f"The verdict at age {last:,} rests on {len(reached)} of {len(self.seeds)} seeds; not examined then: "
                f"{', '.join(map(str, late))}."
            )
        row = {"analysis": "latch", "metric": "limit", "concept": self.setup.intended, "estimate": 1.0}
        return findings([{**row, "why": text} for text in dict.fromkeys(limits)])


def read_targets(folder: RunFolder, setup: AgentStudySetup) -> Targets | None:
    """The facts of the stored states as targets, the same for all policies; None when no facts were given."""
    if not folder.cell("states").exists():
        return None
    table = read_table(folder.cell("states"))
    return targets_from(table.drop(columns=GROUP), table[GROUP].to_numpy(dtype=np.int64), setup)


def targets_from(facts: pd.DataFrame, levels: np.ndarray, setup: AgentStudySetup) -> Targets | None:
    """Facts ``[m]`` of states of some ``levels`` as targets; None when nothing can be held out."""
    evaluation, rng = setup.evaluation, np.random.default_rng(0)
    groups, readout = compact_groups(levels, len(facts)), READOUTS.load(evaluation.readout)()
    try:
        fold = folds_of(groups, evaluation.folds, rng)
    except NotMeasurableError:
        return None
    found = targets_of(facts, groups, readout, nulls=evaluation.nulls, rng=rng)
    return Targets(*found, readout, fold, merge_groups(groups, rng))


def _easy(chance: Tensor) -> str:
    """A sentence about levels that are solved by accident; empty when they are not."""
    untrained = float(chance[:, -1].mean())
    if untrained <= EASY:
        return ""
    return (
        f" Untrained agents reach a goal in {untrained:.0%} of the levels, too many to show capability. Make the "
        "levels harder to solve by accident."
    )


def _ties(one: KeptPolicy) -> float:
    """Part of the levels in which something is reached and nothing is first."""
    return float((one.tries.reached - one.tries.first.sum(1)).clamp(min=0).mean())
