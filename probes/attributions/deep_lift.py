"""deep_lift: differences from a baseline, propagated backwards with difference quotients in place of derivatives.

    a_i = (x_i - b_i) * m_i        m = chain rule in which a nonlinearity f has slope (f(h) - f(h_b)) / (h - h_b)
    sum_i a_i = v(x) - v(b)

DeepLIFT with the Rescale rule (Shrikumar et al. 2017, arXiv 1704.02685), through captum. It costs one backward pass and
does not saturate as a gradient does.

captum implements the rule by hooks on modules (ReLU, LeakyReLU, ELU, Sigmoid, Tanh, Softplus, max pooling). For all
other nonlinearities (``torch.relu``, GELU, attention, normalisation, a recurrent network's gates, products) it silently
uses the plain gradient, and its rule for Softmax is not complete in general. Two checks guard against this: a hooked
module that runs more than once in a forward pass is refused, and so are attributions whose sum differs from the change
of value by more than ``tolerance``, with the names of the modules without a rule. In-place modules are safe, because
captum copies their input before they run.

Letters: n observations.
"""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import torch
from captum import attr
from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from imprint.models.errors import ImprintError
from imprint.probes.attributions.base import Attribution, Attributor, watched
from imprint.probes.subjects.subject import Subject

ROUNDING = 1e-5
"""Completeness errors below this part of the value are rounding errors."""
EXACT: tuple[type[nn.Module], ...] = (
    *(kind for kind in SUPPORTED_NON_LINEAR if kind is not nn.Softmax),
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Flatten, nn.Unflatten, nn.Identity, HookPoint, nn.Dropout),
    *(nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
)
"""Modules for which the rule is complete: those with a rule, except softmax, and affine modules."""


@dataclass(frozen=True, kw_only=True)
class DeepLift(Attributor):
    """DeepLIFT (Rescale) from the value to the observation."""

    complete: ClassVar[bool] = True

    tolerance: float = 0.01
    """Largest completeness error, as a part of the largest change of value among the observations."""

    def copies(self) -> int:
        """The observation and the baseline go through the model together."""
        return 2

    def check(self, subject: Subject, observation: Tensor) -> None:
        """Refuse a value that is not differentiable, or runs a nonlinear module more than once."""
        super().check(subject, observation)
        for name, times in _runs(subject, observation).items():
            module = subject.model.get_submodule(name)
            if times > 1 and type(module) in SUPPORTED_NON_LINEAR:
                raise ImprintError(
                    f"the value runs module {name!r} ({type(module).__name__}) {times} times in one pass; DeepLIFT "
                    "needs a module of its own for every use. Use integrated_gradients."
                )

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """Attributions ``[n, ...]`` of a chunk."""
        before = {module: set(vars(module)) for module in subject.model.modules()}
        try:
            with torch.enable_grad(), warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=r"\s*Setting forward, backward hooks")
                attributions: Tensor = _Rescale(_Valued(subject)).attribute(
                    observation.clone().requires_grad_(), baselines=baseline
                )
        finally:
            for module, names in before.items():
                for name in vars(module).keys() - names:
                    delattr(module, name)
        return attributions

    def verify(self, attribution: Attribution, subject: Subject, observation: Tensor) -> None:
        """Refuse attributions that are not complete, with the names of the modules that may be the reason."""
        change = float((attribution.value - attribution.baseline_value).abs().max())
        allowed = self.tolerance * change + ROUNDING * float(attribution.value.abs().max())
        worst = float(attribution.completeness_error.abs().max())
        if worst > allowed:
            modules = {name: subject.model.get_submodule(name) for name in _runs(subject, observation[:2])}
            without_rule = [
                f"{name!r} ({type(module).__name__})"
                for name, module in modules.items()
                if not any(True for _ in module.children()) and not isinstance(module, EXACT)
            ]
            raise ImprintError(
                f"DeepLIFT's attributions miss the change of value by up to {worst:.3g}, and {allowed:.3g} is allowed: "
                f"the value has a nonlinearity without a rule, in {', '.join(without_rule) or 'no module'} or in a "
                "function outside modules (torch.relu, a product). Use integrated_gradients."
            )


class _Rescale(attr.DeepLift):  # type: ignore[misc]
    """captum's rule with its hooks wrapped in functions of this module, since a subject refuses hooks of others."""

    def _register_hooks(self, module: nn.Module, attribute_to_layer_input: bool = True) -> None:
        places = (module._forward_hooks, module._forward_pre_hooks)  # noqa: SLF001, torch has no public ones
        before = [set(place) for place in places]
        super()._register_hooks(module, attribute_to_layer_input)
        for place, known in zip(places, before, strict=True):
            for key in place.keys() - known:
                place[key] = lambda *arguments, hook=place[key]: hook(*arguments)


class _Valued(nn.Module):
    """The subject's value as a module that contains the model, so that captum finds the modules to hook."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.model = subject.model
        self._value = subject.value_with_grad
        self.training = subject.model.training

    def forward(self, observation: Tensor) -> Tensor:
        return self._value(observation)


def _runs(subject: Subject, observation: Tensor) -> Counter[str]:
    """How often each module runs while the value is computed."""
    counts: Counter[str] = Counter()
    with torch.no_grad(), watched(subject.model, lambda name, _: counts.update([name])):
        subject.value_with_grad(observation)
    return counts
