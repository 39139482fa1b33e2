"""The contract of an attribution method: how much each element of an observation, or unit of a site, adds to the value.

Every member is a frozen dataclass of settings and is called in the same way:

    Member(**settings)(subject, observation) -> Attribution

An :class:`Attributor` attributes to the elements of the observation, a :class:`LayerAttributor` to the units of a site.
Both compare the value v(x) with that of a baseline observation, v(b). A member with ``complete = True`` guarantees that
its attributions sum to v(x) - v(b); the error of this sum is reported for all members.

Tokens have no gradient and nothing lies between two of them. They are attributed to at a site, the embedding or any
later one, where the baseline is their mean activation, zero, or the activations of a baseline token; or, without a
gradient, by putting the baseline token in their place. :meth:`Attribution.by_position` gives one number per token.

A site may be one position of a sequence, and its units are always ``[n, d]``: layer methods set its activations by an
edit of the forward pass (:class:`~imprint.probes.subjects.subject.Subject`), so that later in-place operations cannot
change what was read, and a module that the value runs twice is refused.

Letters: n observations, T positions, d width of a site.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError
from imprint.models.registry import Family
from imprint.probes.subjects.subject import ROOT, Subject

ATTRIBUTIONS = Family("attributions", "imprint.probes.attributions", "Attributor")


@dataclass(frozen=True)
class Attribution:
    """The attributions of some observations by one method."""

    attributions: Tensor
    """``[n, ...]`` like the observation (``[n, d]`` for a site), in units of the value."""
    value: Tensor
    """``[n]`` value of the observations."""
    baseline_value: Tensor
    """``[n]`` value that attributions start from."""
    baseline: Tensor
    """``[1, ...]`` baseline observation, or for a site the activations ``[1, d]`` that are its baseline."""
    site: str | None = None
    """Site whose units were attributed to; None: the elements of the observation."""
    complete: bool = True
    """Whether the method guarantees a completeness error of zero."""

    @property
    def completeness_error(self) -> Tensor:
        """``[n]`` sum of the attributions minus (value - baseline value); zero for an exact method."""
        return self.attributions.flatten(1).sum(1) - (self.value - self.baseline_value)

    def on_observation(self) -> Tensor:
        """``[n, ...]`` attributions to the observation. Raises :class:`ImprintError` when they belong to a site."""
        if self.site is not None:
            raise ImprintError(
                f"these attributions belong to the units of site {self.site!r}, not to the observation's elements; "
                "use a method that attributes to observations."
            )
        return self.attributions

    def by_position(self, positions: int) -> Tensor:
        """``[n, T]`` sum over the units of each of T positions, where the site is a whole sequence ``[n, T, ...]``.

        Raises :class:`ImprintError` when the units do not divide into that many positions.
        """
        units = self.attributions.flatten(1)
        if not isinstance(positions, int) or positions < 1 or units.shape[1] % positions:
            where = "the observation" if self.site is None else f"site {self.site!r}"
            raise ImprintError(f"{where} has {units.shape[1]} units, which are not {positions!r} equal positions.")
        return units.reshape(len(units), positions, -1).sum(2)

    def mass_on(self, masks: Mapping[str, Tensor]) -> pd.DataFrame:
        """How much of the attribution lies inside each mask (bool ``[n, ...]``): columns concept, mass, area.

        ``mass`` is the part of the absolute attribution inside the mask (NaN where all attributions are zero), ``area``
        the part of the observation that the mask covers. Raises :class:`ImprintError` for attributions to a site.
        """
        size = self.on_observation().abs()
        total = float(size.sum())
        rows = []
        for name, mask in masks.items():
            if mask.shape != size.shape:
                raise ImprintError(f"mask {name!r} is {list(mask.shape)}; expected {list(size.shape)}.")
            inside = mask.to(size.device, torch.bool)
            mass = float(size[inside].sum()) / total if total > 0 else float("nan")
            rows.append({"concept": name, "mass": mass, "area": float(inside.float().mean())})
        return pd.DataFrame(rows, columns=["concept", "mass", "area"])


@dataclass(frozen=True, kw_only=True)
class Attributor(ABC):
    """Abstract attribution method; concrete classes are final, and their fields are its settings."""

    complete: ClassVar[bool]
    """Whether attributions are guaranteed to sum to v(x) - v(b)."""
    needs_gradient: ClassVar[bool] = True
    """Whether the value must be differentiable in the elements or units attributed to."""

    baseline: str | int = "mean"
    """Baseline: the ``mean`` of the observations, ``zeros``, or the number of the token that stands at all places of
    the baseline observation. For tokens ``mean`` and ``zeros`` are those of the site's activations."""
    rows: int = 1024
    """Largest number of observations (with their altered copies) in one forward pass."""

    def __call__(self, subject: Subject, observation: Tensor) -> Attribution:
        """Attributions of the subject's value to ``observation`` ``[n, ...]``, on the CPU, without a gradient.

        Tokens (integers) are attributed to by :class:`LayerAttributor` and :class:`PatchAttributor`.

        Raises :class:`ImprintError` for an observation that is not finite, tokens that the method cannot attribute to,
        and a model on which the method would silently be wrong.
        """
        x = _checked(subject, observation)
        if isinstance(self.baseline, int):
            require_runs(subject, constant_like(x, self.baseline), f"the baseline {self.baseline}:")
        if self.rows < 1:
            raise ImprintError(f"rows is {self.rows}; expected at least one observation in a pass.")
        start = self.start(subject, x)
        value = subject.values(x)
        self.check(subject, x[:2])
        chunk = max(1, self.rows // self.copies())
        attributions = torch.cat([self.attribute(subject, part, start).detach() for part in x.split(chunk)]).cpu()
        if not bool(torch.isfinite(attributions).all()):
            rows = int((~torch.isfinite(attributions.flatten(1))).any(1).sum())
            raise ImprintError(f"{type(self).__name__} gave NaN or infinite attributions in {rows} of {len(x)} rows.")
        reference = self.reference(subject, x, start)
        attribution = Attribution(attributions, value, reference, start.cpu(), self.site_name, self.complete)
        self.verify(attribution, subject, x)
        return attribution

    @property
    def site_name(self) -> str | None:
        """Site whose units are attributed to; None: the elements of the observation."""
        return None

    def copies(self) -> int:
        """Number of altered copies of one observation in a forward pass."""
        return 1

    def start(self, subject: Subject, observation: Tensor) -> Tensor:
        """The baseline ``[1, ...]`` of all observations. Default: a baseline observation."""
        if not observation.is_floating_point() and self.needs_gradient:
            raise ImprintError(
                f"observations are {str(observation.dtype)[6:]} (tokens), which have no gradient. Attribute at their "
                f"embedding, layer_integrated_gradients(site={first_site(subject, observation)!r}), or put a baseline "
                "token in their place, feature_ablation(baseline=0)."
            )
        return constant_like(observation, self.baseline)

    def check(self, subject: Subject, observation: Tensor) -> None:
        """Refuse a model on which the method would be wrong, tried on a few rows. Default: one without a gradient."""
        if self.needs_gradient:
            require_gradient(subject, observation)

    @abstractmethod
    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """Attributions of a chunk ``[n, ...]`` of the observations, with ``baseline`` ``[1, ...]``."""

    def reference(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """``[n]`` value that the attributions start from. Default: the value of the baseline."""
        return subject.values(baseline).expand(len(observation))

    def verify(self, attribution: Attribution, subject: Subject, observation: Tensor) -> None:  # noqa: B027
        """Refuse attributions that cannot be right. Default: accept all."""


@dataclass(frozen=True, kw_only=True)
class LayerAttributor(Attributor):
    """Abstract attribution method for the units of a site: attributions are ``[n, d]``."""

    site: str
    """Name of the site as in :class:`~imprint.probes.subjects.subject.Subject`; the value must run it exactly once."""

    @property
    def site_name(self) -> str | None:
        """The site."""
        return self.site

    def start(self, subject: Subject, observation: Tensor) -> Tensor:
        """The baseline ``[1, d]``: see :func:`start_at`."""
        return start_at(subject, observation, self.site, self.baseline)

    def check(self, subject: Subject, observation: Tensor) -> None:
        """Refuse a site that the value's gradient does not reach."""
        gradient_at(subject, observation, self.site)

    def reference(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """Value ``[n]`` of the observations with the site set to its baseline."""
        return subject.values(observation, edits={self.site: lambda a: baseline.to(a).repeat(len(a), 1)})


@dataclass(frozen=True, kw_only=True)
class PatchAttributor(Attributor):
    """Abstract attribution method that replaces patches of the observation and needs no gradient."""

    needs_gradient: ClassVar[bool] = False

    patch: tuple[int, ...] | None = None
    """Shape along the last axes, 0 for a whole axis; default: see :func:`patch_shape`."""

    def at_once(self, observation: Tensor) -> int:
        """Number of patches of every observation of a chunk that are replaced in the same forward pass."""
        return max(1, self.rows // len(observation))


def start_at(subject: Subject, observation: Tensor, site: str, baseline: str | int) -> Tensor:
    """Activations ``[1, d]`` at ``site`` that attributions start from.

    Those of the baseline observation (:func:`constant_like`); for tokens, of which there is no mean and no zero, the
    ``mean`` of the activations of all observations, or ``zeros``.
    """
    if observation.is_floating_point() or not isinstance(baseline, str):
        return subject.activations(constant_like(observation, baseline), [site])[site].to(observation.device)
    _require_baseline(baseline)
    batches = [batch[site] for batch in subject.stream(observation, [site])] if baseline == "mean" else []
    like = batches[0] if batches else subject.activations(observation[:1], [site])[site]
    start = sum((batch.double().sum(0, keepdim=True) for batch in batches), torch.zeros_like(like[:1]).double())
    return (start / len(observation)).to(observation.device, like.dtype)


def first_site(subject: Subject, observation: Tensor) -> str:
    """The first site that the value runs through: of a language model the embedding of its tokens."""
    return next(iter(subject.reached(observation)), "embedding")


def gradient_at(subject: Subject, observation: Tensor, site: str) -> tuple[Tensor, Tensor]:
    """Activations ``[n, d]`` at ``site`` and the value's gradient ``[n, d]`` there, in one pass over all rows.

    Raises :class:`ImprintError` when the gradient does not reach the site.
    """
    leaves: list[Tensor] = []

    def as_leaf(activations: Tensor) -> Tensor:
        leaves.append(activations.detach().clone().requires_grad_())
        return leaves[0].clone()

    with torch.enable_grad():
        value = subject.value_with_grad(observation, edits={site: as_leaf})
        gradient = _gradient(value, leaves[0])
    if gradient is None:
        raise ImprintError(
            f"the value's gradient does not reach site {site!r}: something between the module and the value (a "
            "threshold, an argmax, a detach) has no gradient. Choose a later site, or a differentiable value."
        )
    return leaves[0].detach(), gradient


def require_gradient(subject: Subject, observation: Tensor) -> None:
    """Raise :class:`ImprintError`, naming the module, when the value's gradient does not reach the observation."""
    x = observation.detach().clone().requires_grad_()
    outputs: list[tuple[str, Tensor]] = []
    with torch.enable_grad(), watched(subject.model, lambda name, out: outputs.append((name, out))):
        value = subject.value_with_grad(x)
        if _gradient(value, x) is not None:
            return
        lost = next((name for name, out in outputs if _gradient(out, x) is None), None)
    where = "after the last module" if lost is None else f"at or before module {lost or ROOT!r}"
    raise ImprintError(
        f"the value's gradient does not reach the observation: it is lost {where} (a threshold, an argmax, a detach, "
        "no_grad). Use a method without gradients: feature_ablation, occlusion, shapley_sampling."
    )


@contextmanager
def watched(model: nn.Module, on_output: Callable[[str, Tensor], object]) -> Iterator[None]:
    """In this context, call ``on_output(name, output)`` for every module that gives a tensor; "" is the model."""

    def hook(name: str) -> Callable[..., None]:
        def report(_module: nn.Module, _inputs: object, output: object) -> None:
            first = output[0] if isinstance(output, tuple) and output else output
            if isinstance(first, Tensor):
                on_output(name, first)

        return report

    handles = [module.register_forward_hook(hook(name)) for name, module in model.named_modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def constant_like(observation: Tensor, how: str | int) -> Tensor:
    """A baseline observation ``[1, ...]``: the ``mean`` over rows, ``zeros``, or one token at all places."""
    if isinstance(how, int) and not isinstance(how, bool):
        if observation.is_floating_point():
            raise ImprintError(f"baseline is the token {how}, and observations are {str(observation.dtype)[6:]}.")
        return torch.full_like(observation[:1], how)
    _require_baseline(how)
    if not observation.is_floating_point():
        raise ImprintError(
            f"baseline is {how!r}, and there is no such token; name the token to put in the place of others, such as "
            "that of padding: baseline=0."
        )
    return observation.mean(0, keepdim=True) if how == "mean" else torch.zeros_like(observation[:1])


def _require_baseline(how: object) -> None:
    if how not in ("mean", "zeros"):
        raise ImprintError(f"baseline is {how!r}; expected 'mean' or 'zeros', or the number of a token.")


def patch_shape(observation: Tensor, patch: tuple[int, ...] | None) -> tuple[int, ...]:
    """Shape of a patch along every axis of an observation ``[n, ...]``.

    ``patch`` gives the last axes, 0 meaning the whole axis; axes before them get 1. None means single elements for up
    to ``[n, h, w]``, and for images ``[n, ..., c, h, w]`` all channels of squares with a quarter of the height.
    """
    shape = tuple(observation.shape[1:])
    if patch is None:
        side = max(1, shape[-2] // 4) if len(shape) >= 3 else 1
        patch = (0, side, side) if len(shape) >= 3 else ()
    if len(patch) > len(shape) or any(p < 0 for p in patch):
        raise ImprintError(f"patch is {patch} for observations {list(shape)}; expected up to {len(shape)} sizes >= 0.")
    whole = (1,) * (len(shape) - len(patch)) + tuple(patch)
    return tuple(min(p, size) if p else size for p, size in zip(whole, shape, strict=True))


def patch_index(observation: Tensor, patch: tuple[int, ...] | None) -> Tensor:
    """Number ``[1, ...]``, from 0, of the patch that each element lies in; patches tile the observation."""
    index = torch.zeros(observation.shape[1:], dtype=torch.long)
    for axis, (size, step) in enumerate(zip(observation.shape[1:], patch_shape(observation, patch), strict=True)):
        along = torch.arange(size) // step
        index = index * (int(along[-1]) + 1) + along.reshape(-1, *(1,) * (index.dim() - axis - 1))
    return index[None].to(observation.device)


def spread_evenly(effects: Tensor, index: Tensor) -> Tensor:
    """Effects ``[n, ...]`` of patches, given at each of their elements, divided evenly among these elements."""
    return effects / index.flatten().bincount()[index]


def _gradient(value: Tensor, of: Tensor) -> Tensor | None:
    """Gradient of the sum of ``value``; None where no path leads to ``of``."""
    if not value.requires_grad:
        return None
    return torch.autograd.grad(value.sum(), of, allow_unused=True, retain_graph=True)[0]


def _checked(subject: Subject, observation: Tensor) -> Tensor:
    """The observation on the model's device; floats must be finite, and get its precision.

    Images of bytes become floats when that leaves the value as it is; other integers are tokens.
    """
    if not isinstance(observation, Tensor) or observation.dim() < 2 or len(observation) < 1:
        got = list(observation.shape) if isinstance(observation, Tensor) else type(observation).__name__
        raise ImprintError(f"the observation is {got}; expected a tensor [n, ...] with at least one row.")
    parameter = next((p for p in subject.model.parameters() if p.is_floating_point()), None)
    x = observation.detach()
    if parameter is not None:
        x = x.to(parameter.device, parameter.dtype if x.is_floating_point() else x.dtype)
    if not x.is_floating_point():
        if x.dtype == torch.uint8:
            x = _as_floats(subject, x, torch.float32 if parameter is None else parameter.dtype)
        require_runs(subject, x[:2], "observations")
    if not bool(torch.isfinite(x).all()):
        raise ImprintError("observations hold NaN or infinite values; nothing can be attributed to them.")
    return x


def require_runs(subject: Subject, tokens: Tensor, name: str) -> None:
    """Raise :class:`ImprintError` unless the model takes integers ``[n, ...]``, called ``name``, as tokens."""
    try:
        subject.values(tokens)
    except (RuntimeError, IndexError, TypeError, ImprintError) as error:
        raise ImprintError(
            f"{name} are {str(tokens.dtype)[6:]}, from {int(tokens.min())} to {int(tokens.max())}, and the model does "
            f"not take them as tokens ({str(error).splitlines()[0]}); a model of numbers wants a float observation."
        ) from None


def _as_floats(subject: Subject, observation: Tensor, precision: torch.dtype) -> Tensor:
    """Bytes as floats, if the value of a few rows is the same; else unchanged."""
    few, floats = observation[:2], observation.to(precision)
    try:
        same = torch.allclose(subject.values(few), subject.values(floats[:2]), rtol=1e-4, atol=1e-6)
    except (RuntimeError, IndexError, TypeError, ImprintError):  # a model that looks bytes up, as an embedding does
        return observation
    return floats if same else observation
