"""A subject: any ``torch.nn.Module``, made readable and editable at named sites.

One mechanism serves every model: a forward hook on a sub-module found by name. TransformerLens' hook points are modules
too, so a ``HookedRootModule`` needs nothing special. Hooks live only while a call runs, also when it fails.

Sites are written

    module.name          the whole output of a sub-module, flattened to [n, d]  (``output``: of the model itself)
    module.name@3        position 3 along axis 1 of an output with three axes or more
    hook@moment          for our learners: a hook at a named moment of the world (:meth:`Subject.of_learner`)

The *value* of a subject is one number per observation: ``value(observation)``, or the model's output when that already
is one number. Sites are read while the value is computed; sites that the value does not run through are read in a plain
pass ``model(observation)``. Edits must act on the value, so a site it does not run through is an error there.

Letters: n observations, d width of a site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError, unknown_name

if TYPE_CHECKING:
    from imprint.models.learners.base import Learner
    from imprint.models.worlds.base import World

Value = Callable[[Tensor], Tensor]
"""``observation [n, ...] -> [n]``."""
Edit = Callable[[Tensor], Tensor]
"""``activations [n, d] -> [n, d]``."""
ROOT = "output"
"""Name of the site that is the model's own output."""
PROBE = 3
"""Rows of the pass that finds out which modules run."""


@dataclass(frozen=True)
class Site:
    """Where an activation is read."""

    name: str
    """As users write it."""
    module: str
    """Sub-module whose output it is."""
    index: int | None = None
    """Position along axis 1, or the whole output."""

    def read(self, output: Tensor) -> Tensor:
        """Activations ``[n, d]`` from the sub-module's output ``[n, ...]``."""
        return self._part(output).reshape(len(output), -1)

    def write(self, output: Tensor, edit: Edit) -> Tensor:
        """The sub-module's output with this site replaced by ``edit`` of it."""
        before = self._part(output)
        after = edit(before.reshape(len(output), -1))
        if not isinstance(after, Tensor) or after.shape != (len(output), before[0].numel()):
            got = list(after.shape) if isinstance(after, Tensor) else type(after).__name__
            raise ImprintError(
                f"the edit at {self.name!r} returned {got}; expected {[len(output), before[0].numel()]}."
            )
        after = after.to(output.dtype).reshape(before.shape)
        if self.index is None:
            return after
        edited = output.clone()
        edited[:, self.index] = after
        return edited

    def _part(self, output: Tensor) -> Tensor:
        if self.index is None:
            return output
        if output.dim() < 3 or not -output.shape[1] <= self.index < output.shape[1]:
            raise ImprintError(
                f"site {self.name!r} asks for position {self.index} along axis 1, but {self.module!r} gives "
                f"{list(output.shape)}; expected three axes or more and a position it has."
            )
        return output[:, self.index]


class Subject:
    """Any model, examined through forward hooks; see the module docstring for how sites are written."""

    def __init__(self, model: nn.Module, value: Value | None = None, sites: Sequence[str | Site] | None = None) -> None:
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
        self._declared: dict[str, Site] = {}
        for given in sites or ():
            site = given if isinstance(given, Site) else self.site(given)
            self._declared[site.name] = site

    @classmethod
    def of_learner(cls, learner: Learner, world: World, weight: Tensor, bias: Tensor) -> Subject:
        """A learner of ours and its assessor: sites are hooks x moments.

        The value is read at the world's decision moment: latents ``[n, D]`` @ ``weight [D]`` + ``bias``.
        """
        if world.decision is None:
            raise ImprintError(
                f"{type(world).__name__} names no decision moment, so there is no time to read value at."
            )
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
        """Sites named when the subject was made; empty when they are left to be discovered."""
        return tuple(self._declared)

    def site(self, name: str) -> Site:
        """The site called ``name``. Raises :class:`UnknownNameError` with the near miss."""
        if name in self._declared:
            return self._declared[name]
        module, at, index = str(name).rpartition("@")
        if at and module in self._modules and index.lstrip("-").isdigit():
            return Site(name, module, int(index))
        if name not in self._modules:
            advice = "Sites are written module.name or module.name@position."
            raise unknown_name("site", name, [*self._declared, *self._modules], advice=advice)
        return Site(name, name)

    def sites(self, observation: Tensor) -> tuple[str, ...]:
        """Names of the sites read by default: the declared ones, else every leaf module the value runs through."""
        return self.declared or self.reached(observation) or self._discover(observation, self.model)

    def reached(self, observation: Tensor) -> tuple[str, ...]:
        """Those default sites that the value runs through, in the order in which they run."""
        if self._declared:
            seen = self._fired(observation, self._run, {site.module for site in self._declared.values()})
            return tuple(name for name, site in self._declared.items() if site.module in seen)
        return self._discover(observation, self._run)

    def _discover(self, observation: Tensor, run: Callable[[Tensor], Any]) -> tuple[str, ...]:
        names = {id(module): name for name, module in reversed(self._modules.items())}
        leaves = {names[id(module)] for module in self.model.modules() if not any(True for _ in module.children())}
        fired = self._fired(observation, run, leaves)
        rows = min(PROBE, len(observation))
        return tuple(name for name, outputs in fired.items() if len(outputs) == 1 and _readable(outputs[0], rows))

    def _fired(self, observation: Tensor, run: Callable[[Tensor], Any], modules: set[str]) -> dict[str, list[Any]]:
        chunk = next(self._chunks(observation[:PROBE], PROBE))
        with torch.no_grad():
            return self._caught(chunk, run, modules)

    # -- reading -------------------------------------------------------------------------------------------------

    def activations(
        self, observation: Tensor, sites: Sequence[str] | None = None, batch_size: int = 512
    ) -> dict[str, Tensor]:
        """Activations ``[n, d]`` per site, on the CPU, without a gradient. Default: :meth:`sites`."""
        chosen = [self.site(name) for name in (self.sites(observation) if sites is None else sites)]
        parts: dict[str, list[Tensor]] = {site.name: [] for site in chosen}
        with torch.no_grad():
            for chunk in self._chunks(observation, batch_size):
                outputs = self._read(chunk, {site.module for site in chosen})
                for site in chosen:
                    _check(site, outputs[site.module], len(chunk))
                    parts[site.name].append(site.read(outputs[site.module][0]).detach().cpu())
        whole = {name: torch.cat(chunks) for name, chunks in parts.items()}
        for name, value in whole.items():
            if not bool(torch.isfinite(value).all()):
                rows = int((~torch.isfinite(value)).any(1).sum())
                raise ImprintError(
                    f"activations at {name!r} hold NaN or infinite values in {rows} of {len(value)} rows."
                )
        return whole

    def _read(self, chunk: Tensor, modules: set[str]) -> dict[str, list[Any]]:
        outputs = self._caught(chunk, self._run, modules)
        silent = modules - outputs.keys()
        if silent and self._value is not None:
            outputs |= self._caught(chunk, self.model, silent)
        if silent := modules - outputs.keys():
            raise ImprintError(
                f"module {min(silent)!r} did not run in this model's forward pass, so nothing can be read there."
            )
        return outputs

    def _caught(self, chunk: Tensor, run: Callable[[Tensor], Any], modules: set[str]) -> dict[str, list[Any]]:
        """Outputs of each module that ran, in the order in which they first ran."""
        outputs: dict[str, list[Any]] = {}

        def keep(module: str) -> Callable[[Any], None]:
            return lambda output: outputs.setdefault(module, []).append(output)

        with self._hooked({module: keep(module) for module in modules}):
            run(chunk)
        return outputs

    # -- value ---------------------------------------------------------------------------------------------------

    def values(self, observation: Tensor, *, edits: Mapping[str, Edit] | None = None, batch_size: int = 512) -> Tensor:
        """Value ``[n]`` without a gradient, under ``edits`` (site -> function of ``[n, d]``) made during the pass."""
        by_module = self._by_module(edits)
        with torch.no_grad():
            return torch.cat([self._edited(chunk, by_module).cpu() for chunk in self._chunks(observation, batch_size)])

    def _by_module(self, edits: Mapping[str, Edit] | None) -> dict[str, list[tuple[Site, Edit]]]:
        by_module: dict[str, list[tuple[Site, Edit]]] = {}
        for name, edit in (edits or {}).items():
            site = self.site(name)
            by_module.setdefault(site.module, []).append((site, edit))
        return by_module

    def _edited(self, chunk: Tensor, by_module: Mapping[str, list[tuple[Site, Edit]]]) -> Tensor:
        runs = dict.fromkeys(by_module, 0)

        def change(module: str) -> Callable[[Any], Any]:
            def hook(output: Any) -> Any:
                runs[module] += 1
                for site, edit in by_module[module]:
                    _check(site, [output], len(chunk))
                    output = site.write(output, edit)
                return output

            return hook

        with self._hooked({module: change(module) for module in by_module}):
            value = self._of(chunk)
        for module, count in runs.items():
            if count != 1:
                names = ", ".join(repr(site.name) for site, _ in by_module[module])
                raise ImprintError(
                    f"the value ran module {module!r} {count} times, so an edit at {names} is not defined; "
                    "expected once. Choose a site that the value runs through exactly once."
                )
        return value

    def value_with_grad(self, observation: Tensor, *, edits: Mapping[str, Edit] | None = None) -> Tensor:
        """Value ``[n]``, differentiable in ``observation`` and in what ``edits`` hold; one pass over all rows."""
        return self._edited(self._placed(observation), self._by_module(edits))

    def output(self, index: int) -> Subject:
        """The same model valued by column ``index`` of its output ``[n, m]``: a class's logit, an action's preference."""

        def column(observation: Tensor) -> Tensor:
            out = self.model(observation)
            if not isinstance(out, Tensor) or out.dim() != 2 or not -out.shape[1] <= index < out.shape[1]:
                got = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
                raise ImprintError(f"the model returned {got}, which has no column {index}; expected a tensor [n, m].")
            return out[:, index]

        return Subject(self.model, column, list(self._declared.values()))

    def reading(self, site: str, readout: Callable[[Tensor], Tensor]) -> Subject:
        """The same model valued by a readout ``[n, d] -> [n]`` (or ``[n, 1]``) of the activations at ``site``."""
        at = self.site(site)

        def read(observation: Tensor) -> Tensor:
            outputs = self._read(observation, {at.module})[at.module]
            _check(at, outputs, len(observation))
            return readout(at.read(outputs[0]))

        return Subject(self.model, read, list(self._declared.values()))

    @property
    def _run(self) -> Callable[[Tensor], Any]:
        """What is run to read activations: the value; the bare model, of any output, when no value was given."""
        return self.model if self._value is None else self._of

    def _of(self, observation: Tensor) -> Tensor:
        """Value ``[n]`` of one chunk, checked."""
        n = len(observation)
        source = "the model" if self._value is None else "value()"
        out = self.model(observation) if self._value is None else self._value(observation)
        one_each = isinstance(out, Tensor) and (tuple(out.shape) in ((n,), (n, 1)) or out.numel() == n == 1)
        if one_each:
            return out.reshape(n) if out.is_floating_point() else out.reshape(n).float()
        got = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
        advice = (
            "pass value=, a function that gives one number per observation."
            if self._value is None
            else "return one number per row."
        )
        raise ImprintError(f"{source} returned {got} for {n} observations; expected [{n}] or [{n}, 1]: {advice}")

    # -- machinery -----------------------------------------------------------------------------------------------

    def _chunks(self, observation: Tensor, size: int) -> Iterator[Tensor]:
        """Pieces of the observation on the model's device, floats in the model's precision."""
        if not isinstance(observation, Tensor) or observation.dim() < 1 or len(observation) < 1:
            got = list(observation.shape) if isinstance(observation, Tensor) else type(observation).__name__
            raise ImprintError(f"the observation is {got}; expected a tensor [n, ...] with at least one row.")
        for start in range(0, len(observation), size):
            yield self._placed(observation[start : start + size])

    def _placed(self, observation: Tensor) -> Tensor:
        parameter = next(self.model.parameters(), None)
        if parameter is None:
            return observation
        floats = observation.is_floating_point() and parameter.is_floating_point()
        return observation.to(parameter.device, parameter.dtype if floats else observation.dtype)

    @contextmanager
    def _hooked(self, handlers: Mapping[str, Callable[[Any], Any]]) -> Iterator[None]:
        """Run with a forward hook on some modules; a handler's return value, unless ``None``, replaces the output."""
        self._require_evaluation()
        handles = []
        try:
            for name, handler in handlers.items():
                handles.append(self._modules[name].register_forward_hook(lambda _m, _i, out, h=handler: h(out)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _require_evaluation(self) -> None:
        """Refuse models whose answers depend on chance or on the rest of the batch because they are still training."""
        for name, module in self.model.named_modules():
            code = getattr(type(module).forward, "__code__", None)
            silent = getattr(module, "dropout", None) == 0 and isinstance(module, nn.RNNBase | nn.MultiheadAttention)
            if module.training and code is not None and "training" in code.co_names and not silent:
                raise ImprintError(
                    f"module {name or ROOT!r} ({type(module).__name__}) is in training mode, where its output is not a "
                    "function of the observation alone. Call model.eval() first."
                )


def _readable(output: Any, rows: int) -> bool:
    return isinstance(output, Tensor) and output.is_floating_point() and output.dim() >= 1 and len(output) == rows


def _check(site: Site, outputs: Sequence[Any], rows: int) -> None:
    """Raise unless the module ran once and gave a float tensor with one row per observation."""
    if len(outputs) != 1:
        raise ImprintError(
            f"module {site.module!r} ran {len(outputs)} times in one pass, so {site.name!r} is not one site; "
            "use a module that is not reused."
        )
    if not _readable(outputs[0], rows):
        got = list(outputs[0].shape) if isinstance(outputs[0], Tensor) else type(outputs[0]).__name__
        raise ImprintError(
            f"module {site.module!r} gives {got} for {rows} observations; expected a float tensor [{rows}, ...]."
        )
