"""A subject: any ``torch.nn.Module``, whose activations can be read and edited at named sites.

All models are read and edited by forward hooks on sub-modules, found by name. TransformerLens' hook points are modules,
too, so a ``HookedRootModule`` or a bridge needs no special treatment; its alternative names
(``blocks.1.hook_resid_post``) are accepted. Hooks are removed at the end of every call, also when it fails.

Sites are written

    module.name          the whole output of a sub-module, flattened to [n, d]  (``output``: of the model itself)
    module.name@3        position 3 along axis 1 of an output with three axes or more
    hook@moment          for our learners: a hook at a named moment of the world (:meth:`Subject.of_learner`)

:mod:`imprint.probes.subjects.site` defines which part of a module's output is read (of a tuple, the first item).
Several sites are read in one forward pass, and copied at once, so that a later in-place operation cannot change them.

The *value* of a subject is one number per observation: ``value(observation)``, or the model's output when that is one
number. Sites are read while the value is computed; sites that the value does not run through are read in a second pass
``model(observation)``. An edit at such a site is an error, since it could not act on the value.

Observations are one tensor ``[n, ...]``; floats are converted to the model's precision and device, integers (tokens)
are moved to its device. :mod:`imprint.probes.subjects.guards` refuses models with foreign hooks or in training mode.

Letters: n observations, b of them in one batch, d width of a site.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError, unknown_name
from imprint.probes.policies.library import is_algorithm, is_policy
from imprint.probes.policies.passes import Pass
from imprint.probes.subjects.guards import require_evaluation, require_no_hooks
from imprint.probes.subjects.observations import Observations, batches_of
from imprint.probes.subjects.site import (
    Edit,
    Site,
    at_least_float32,
    copied,
    empty_rows,
    put_back,
    readable,
    require_finite,
    require_readable,
    rows_first,
)

if TYPE_CHECKING:
    from imprint.models.learners.base import Learner
    from imprint.models.worlds.base import World

Keep = Callable[[str, Tensor], Tensor]
"""``site name, activations [b, d] -> tensor``: applied to activations as soon as they are computed."""
Value = Callable[[Tensor], Tensor]
"""``observation [n, ...] -> [n]``."""
ROOT = "output"
"""Name of the site that is the model's own output."""
PROBE = 3
"""Number of rows in the forward pass that determines which modules run."""


class Subject:
    """Any model, read and edited through forward hooks; the module docstring says how sites are written."""

    def __init__(self, model: Any, value: Value | None = None, sites: Sequence[str | Site] | None = None) -> None:
        """``model``: a ``torch.nn.Module``, or a policy or algorithm of Stable-Baselines3, whose value is its critic's.

        Other arguments are described above. Raises :class:`ImprintError` for anything else.
        """
        if is_algorithm(model) or (value is None and is_policy(model)):
            model = Pass(model)
            value = model.value if value is None else value
        if not isinstance(model, nn.Module):
            raise ImprintError(f"a subject wraps a torch.nn.Module; got {type(model).__name__}.")
        if value is not None and not callable(value):
            raise ImprintError(f"value is {type(value).__name__}; expected a callable: observation [n, ...] -> [n].")
        if isinstance(sites, str):
            raise ImprintError(f"sites is the text {sites!r}; expected a list of names, for example [{sites!r}].")
        self.model = model
        self._value = value
        self._modules = {name: module for name, module in model.named_modules(remove_duplicate=False) if name}
        self._modules.setdefault(ROOT, model)
        for name, point in dict(getattr(model, "hook_dict", None) or {}).items():
            self._modules.setdefault(name, point)
        self._time_first = any(getattr(module, "batch_first", None) is False for module in model.modules())
        self._declared: dict[str, Site] = {}
        for name in sites or ():
            site = name if isinstance(name, Site) else self.site(name)
            self._declared[site.name] = site

    @classmethod
    def of_learner(cls, learner: Learner, world: World, weight: Tensor, bias: Tensor) -> Subject:
        """One of our learners with a linear assessor; sites are all hooks at all moments.

        The value is latents ``[n, D]`` @ ``weight [D]`` + ``bias`` at the world's decision moment.
        """
        if world.decision is None:
            raise ImprintError(f"{type(world).__name__} names no decision moment, at which the value is read.")
        step = world.moments[world.decision]
        sites = [
            Site(f"{hook}@{moment}", learner.module_of(hook), learner.index(hook, at))
            for hook in learner.read_points
            for moment, at in world.moments.items()
        ]
        return cls(learner, lambda observation: learner(observation)[:, step] @ weight + bias, sites)

    # -- sites ---------------------------------------------------------------------------------------------------

    @property
    def declared(self) -> tuple[str, ...]:
        """Names of the sites given at construction; empty when there were none."""
        return tuple(self._declared)

    def site(self, name: str) -> Site:
        """The site called ``name``. Raises :class:`UnknownNameError` with the most similar name."""
        if name in self._declared:
            return self._declared[name]
        module, at, index = str(name).rpartition("@")
        if at and module in self._modules and index.removeprefix("-").isdecimal():
            return Site(name, module, int(index))
        if name not in self._modules:
            advice = "Sites are written module.name or module.name@position."
            raise unknown_name("site", name, [*self._declared, *self._modules], advice=advice)
        return Site(name, name)

    def sites(self, observation: Observations) -> tuple[str, ...]:
        """Names of the default sites: the declared ones, else the innermost modules that the value runs through."""
        return self.declared or self.reached(observation) or self._discover(observation, self.model)

    def reached(self, observation: Observations) -> tuple[str, ...]:
        """Names of the default sites that the value runs through; discovered ones in the order in which they run."""
        if self._declared:
            ran = self._outputs(observation, self._run, {site.module for site in self._declared.values()})
            return tuple(name for name, site in self._declared.items() if site.module in ran)
        return self._discover(observation, self._run)

    def _discover(self, observation: Observations, run: Callable[[Tensor], Any]) -> tuple[str, ...]:
        """Names of the modules without an inner module that run once and give a float tensor with one row each."""
        observation = self._received(observation)
        names = {id(module): name for name, module in sorted(self._modules.items(), key=lambda item: -len(item[0]))}
        candidates = {name for name in names.values() if "parametrizations" not in name.split(".")}
        outputs_of = self._outputs(observation, run, candidates)
        ran = {id(self._modules[name]) for name in outputs_of}
        rows = min(PROBE, len(observation))

        def innermost(module: nn.Module) -> bool:
            return not any(id(inner) in ran for inner in module.modules() if inner is not module)

        return tuple(
            name
            for name, outputs in outputs_of.items()
            if innermost(self._modules[name])
            and len(outputs) == 1
            and readable(rows_first(self._modules[name], outputs[0]), rows)
        )

    def _outputs(
        self, observation: Observations, run: Callable[[Tensor], Any], modules: set[str]
    ) -> dict[str, list[Any]]:
        """Outputs of each of the modules that runs, in the order in which their first runs end."""
        outputs: dict[str, list[Any]] = {}

        def record(module: str) -> Callable[[Any], None]:
            return lambda output: outputs.setdefault(module, []).append(output)

        with torch.no_grad(), self._hooked({module: record(module) for module in modules}):
            run(next(self._batches(self._received(observation)[:PROBE], PROBE)))
        return outputs

    # -- reading -------------------------------------------------------------------------------------------------

    def stream(
        self, observation: Observations, sites: Sequence[str] | None = None, batch_size: int = 512
    ) -> Iterator[dict[str, Tensor]]:
        """Activations ``[b, d]`` per site, one dict per batch, on the CPU, without a gradient, in float32 or better.

        ``observation`` is ``[n, ...]``, or an iterable of batches ``[b, ...]``, which is read once and lazily; batches
        of more than ``batch_size`` rows are split. Default sites: :meth:`sites` of the first batch. All are read in one
        pass, and only one batch is in memory. Raises :class:`ImprintError` for a site that does not exist, does not
        run, runs twice, or gives NaN or infinite values.
        """
        batches = self._batches(observation, batch_size)
        return self._stream(batches, None if sites is None else [self.site(name) for name in sites], copied)

    def _stream(self, batches: Iterator[Tensor], chosen: list[Site] | None, keep: Keep) -> Iterator[dict[str, Tensor]]:
        for batch in batches:
            if chosen is None:
                chosen = [self.site(name) for name in self.sites(batch)]
            with torch.no_grad():
                activations = self._read(batch, chosen, keep)
            yield activations

    def activations(
        self, observation: Observations, sites: Sequence[str] | None = None, batch_size: int = 512
    ) -> dict[str, Tensor]:
        """Activations ``[n, d]`` per site; arguments and errors are those of :meth:`stream`."""
        observation = self._received(observation)
        if not isinstance(observation, Tensor):
            batches = list(self.stream(observation, sites, batch_size))
            return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
        activations: dict[str, Tensor] = {}
        start = 0

        def place(name: str, value: Tensor) -> Tensor:
            if name not in activations:
                activations[name] = empty_rows(len(observation), value)
            return activations[name][start : start + len(value)].copy_(value)

        chosen = None if sites is None else [self.site(name) for name in sites]
        for _ in self._stream(self._batches(observation, batch_size), chosen, place):
            start += batch_size
        return activations

    def _read(self, batch: Tensor, sites: Sequence[Site], keep: Keep) -> dict[str, Tensor]:
        """Finite activations ``[b, d]`` per site, each passed through ``keep`` as soon as it is computed."""
        by_module: dict[str, list[Site]] = {}
        for site in sites:
            by_module.setdefault(site.module, []).append(site)
        activations: dict[str, Tensor] = {}
        runs = dict.fromkeys(by_module, 0)

        def read(module: str) -> Callable[[Any], None]:
            def hook(output: Any) -> None:
                runs[module] += 1
                if runs[module] > 1:
                    return
                tensor = rows_first(self._modules[module], output)
                for site in by_module[module]:
                    self._require(site, tensor, len(batch))
                    value = site.read(tensor)
                    require_finite(site.name, value)
                    activations[site.name] = keep(site.name, value)

            return hook

        with self._hooked({module: read(module) for module in by_module}):
            self._run(batch)
        not_run = [module for module, count in runs.items() if not count]
        if not_run and self._value is not None:
            with self._hooked({module: read(module) for module in not_run}):
                self.model(batch)
        for module, count in runs.items():
            names = ", ".join(repr(site.name) for site in by_module[module])
            if count == 0:
                raise ImprintError(f"module {module!r} did not run in the forward pass, so nothing is read at {names}.")
            if count > 1:
                raise ImprintError(
                    f"module {module!r} ran {count} times in one forward pass, so its activation is not one thing; "
                    "choose a module that is not reused."
                )
        return {site.name: activations[site.name] for site in sites}

    def _require(self, site: Site, tensor: Any, rows: int) -> None:
        """Raise unless ``tensor`` is readable and it is certain which of its axes are the rows."""
        require_readable(site, tensor, rows)
        ambiguous = self._time_first and tensor.dim() >= 3 and tensor.shape[1] == rows
        if ambiguous and not hasattr(self._modules[site.module], "batch_first"):
            raise ImprintError(
                f"module {site.module!r} gives {list(tensor.shape)} for {rows} observations, and modules of this model "
                "put time before rows: the two axes cannot be told apart. Choose another batch_size."
            )

    # -- value ---------------------------------------------------------------------------------------------------

    def values(
        self, observation: Observations, *, edits: Mapping[str, Edit] | None = None, batch_size: int = 512
    ) -> Tensor:
        """Value ``[n]``, without a gradient, under ``edits`` of the forward pass (site -> function of ``[n, d]``)."""
        by_module = self._by_module(edits)
        with torch.no_grad():
            values = [self._edited(batch, by_module).cpu() for batch in self._batches(observation, batch_size)]
        return at_least_float32(torch.cat(values))

    def _by_module(self, edits: Mapping[str, Edit] | None) -> dict[str, list[tuple[Site, Edit]]]:
        by_module: dict[str, list[tuple[Site, Edit]]] = {}
        for name, edit in (edits or {}).items():
            site = self.site(name)
            by_module.setdefault(site.module, []).append((site, edit))
        return by_module

    def _edited(self, batch: Tensor, by_module: Mapping[str, list[tuple[Site, Edit]]]) -> Tensor:
        """Value ``[n]`` of one batch under edits."""
        runs = dict.fromkeys(by_module, 0)

        def change(module: str) -> Callable[[Any], Any]:
            def hook(output: Any) -> Any:
                runs[module] += 1
                tensor = rows_first(self._modules[module], output)
                for site, edit in by_module[module]:
                    self._require(site, tensor, len(batch))
                    tensor = site.write(tensor, edit)
                return put_back(self._modules[module], output, tensor)

            return hook

        with self._hooked({module: change(module) for module in by_module}):
            value = self._checked_value(batch)
        for module, count in runs.items():
            if count != 1:
                names = ", ".join(repr(site.name) for site, _ in by_module[module])
                raise ImprintError(
                    f"the value ran module {module!r} {count} times, so an edit at {names} is not defined; "
                    "expected once. Choose a site that the value runs through exactly once."
                )
        return value

    def value_with_grad(self, observation: Observations, *, edits: Mapping[str, Edit] | None = None) -> Tensor:
        """Value ``[n]``, differentiable in ``observation`` and in tensors of ``edits``; one pass over all rows."""
        return self._edited(self._placed(self._received(observation)), self._by_module(edits))

    def output(self, index: int) -> Subject:
        """The same model with column ``index`` of its output ``[n, m]``, for example a logit, as the value."""

        def column(observation: Tensor) -> Tensor:
            out = self.model(observation)
            if not isinstance(out, Tensor) or out.dim() != 2 or not -out.shape[1] <= index < out.shape[1]:
                got = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
                raise ImprintError(f"the model returned {got}, which has no column {index}; expected a tensor [n, m].")
            return out[:, index]

        return Subject(self.model, column, list(self._declared.values()))

    def reading(self, site: str, readout: Callable[[Tensor], Tensor]) -> Subject:
        """The same model with a readout ``[n, d] -> [n]`` (or ``[n, 1]``) of the activations at a site as the value."""
        at = self.site(site)

        def read(observation: Tensor) -> Tensor:
            return readout(self._read(observation, [at], lambda _, value: value.clone())[at.name])

        return Subject(self.model, read, list(self._declared.values()))

    @property
    def _run(self) -> Callable[[Tensor], Any]:
        """The function that is run to read activations: the value if one was given, otherwise the model."""
        return self.model if self._value is None else self._checked_value

    def _checked_value(self, observation: Tensor) -> Tensor:
        """Value ``[n]`` of one batch; raises unless it is one number per row."""
        n = len(observation)
        source = "the model" if self._value is None else "value()"
        out = self.model(observation) if self._value is None else self._value(observation)
        one_each = isinstance(out, Tensor) and (tuple(out.shape) in ((n,), (n, 1)) or out.numel() == n == 1)
        if one_each:
            return out.reshape(n) if out.is_floating_point() else out.reshape(n).float()
        got = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
        advice = "return one number per row." if self._value else "pass value=, which gives one number per row."
        raise ImprintError(f"{source} returned {got} for {n} observations; expected [{n}] or [{n}, 1]: {advice}")

    # -- machinery -----------------------------------------------------------------------------------------------

    def _batches(self, observation: Observations, size: int) -> Iterator[Tensor]:
        """Batches of at most ``size`` rows, as :meth:`_placed` returns them."""
        return map(self._placed, batches_of(self._received(observation), size))

    def _received(self, observation: Any) -> Any:
        """Observations as a user passes them; those of a policy may be NumPy arrays, and dictionaries of arrays."""
        return self.model.packed(observation) if isinstance(self.model, Pass) else observation

    def _placed(self, observation: Tensor) -> Tensor:
        """The observation on the model's device, floats in the model's precision."""
        tensor = next(itertools.chain(self.model.parameters(), self.model.buffers()), None)
        if tensor is None:
            return observation
        precision = next((p.dtype for p in self.model.parameters() if p.is_floating_point()), None)
        floats = precision is not None and observation.is_floating_point() and not isinstance(self.model, Pass)
        return observation.to(tensor.device, precision if floats else observation.dtype)

    @contextmanager
    def _hooked(self, handlers: Mapping[str, Callable[[Any], Any]]) -> Iterator[None]:
        """Register forward hooks within this context; what a handler returns, unless ``None``, replaces the output."""
        require_evaluation(self.model)
        require_no_hooks(self.model)
        handles = []
        try:
            for name, handler in handlers.items():
                handles.append(self._modules[name].register_forward_hook(lambda _m, _i, out, h=handler: h(out)))
            yield
        finally:
            for handle in handles:
                handle.remove()
