"""A synapse: one number that changes by how active its input was and by a signal that reaches it.

    w  <-  clip( w + rate pre signal,  low,  high )

The same update serves two purposes that have nothing else in common. Many synapses onto one cell, each with an input of
its own and ``signal`` = target - output, are a learner with as many parameters (the delta rule); one synapse whose
input says that a fight took place and whose signal is the result less w is a tally, a variable of an innate rule.
Whether the brain learns from scratch is not decided by whether it has plastic synapses (Byrnes, "Intro to brain-like-
AGI safety", post 2, section 2.3.3).

``rate`` can be a tensor: a command that another signal gives from moment to moment (neuromodulation), as
:mod:`imprint.models.steering.neuromodulator` does.

Letters: n animals, N synapses.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Synapse:
    """The update, the same for every synapse that it is given."""

    rate: float
    """Part by which ``pre`` x ``signal`` moves the weight; multiplied by the command, if there is one."""
    low: float = float("-inf")
    high: float = float("inf")
    """Bounds of the weight."""

    def changed(self, weight: Tensor, pre: Tensor, signal: Tensor, command: Tensor | float = 1.0) -> Tensor:
        """The weights after one event; all arguments broadcast, ``[n]`` or ``[n, N]``."""
        return (weight + self.rate * command * pre * signal).clamp(self.low, self.high)
