"""A model with hooks: forward passes over batches of observations that read or change what modules return.

Letters: n observations, d width of a site.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from imprint.models.errors import ImprintError
from imprint.probes.policies.passes import Pass
from imprint.probes.subjects.guards import examined
from imprint.probes.subjects.items import Path, leaves, named_outputs, part, replaced
from imprint.probes.subjects.observations import Observations, as_tensor, batches_of
from imprint.probes.subjects.passes import Batch, Hooked, Keep, OfBatch, Reader
from imprint.probes.subjects.positions import laid_out_by, mask_of
from imprint.probes.subjects.site import Site, parse, readable
from imprint.probes.subjects.trust import connected as names_connected
from imprint.probes.subjects.trust import in_words, require_function, tensors_in

Mask = Callable[[Tensor], Any] | Tensor
"""``observation [n, ...] -> bool [n, T]``, or ``[n, T]`` for the rows of all observations."""
Value = Callable[[Tensor], Tensor]
"""``observation [n, ...] -> [n]``."""
Run = Callable[[Batch], Any]
"""What is run to read activations."""
ROOT = "output"
"""Name of the site that is the model's own output."""
PROBE = 3
"""Number of rows in the forward pass that determines which modules run."""


class HookedModel:
    """A model, the value that is computed with it, and the mask of its observations."""

    def __init__(self, model: nn.Module, value: Value | None, mask: Any) -> None:
        self.model = model
        self.given_value = value
        if mask is not None and not callable(mask) and not (hasattr(mask, "shape") or isinstance(mask, list | tuple)):
            raise ImprintError(f"the mask is a {type(mask).__name__}; expected bool [n, positions], or a function.")
        self.mask = mask if mask is None or callable(mask) else mask_of(mask, len(mask) if _axes(mask) else 0)
        self.modules = _modules_of(model)
        self.time_first = any(getattr(module, "batch_first", None) is False for module in model.modules())
        self._takes_mask = mask is not None and _takes_mask(model)
        self.repeated: set[str] = set()
        self._in_place: bool | None = None
        self._as_given = True

    def rows(self, rows: slice) -> HookedModel:
        """The same for some of the rows that a fixed mask describes."""
        some = copy.copy(self)
        if self.mask is not None and not callable(self.mask):
            some.mask = self.mask[rows]
        return some

    def site(self, name: str) -> Site | None:
        """The site called ``name``, or None. Raises :class:`ImprintError` for a module that takes no hooks."""
        site = parse(name, self.modules)
        if site is None:  # some models build modules in their first pass
            self.modules = _modules_of(self.model)
            site = parse(name, self.modules)
        if site is not None and (why := unhookable(self.modules[site.module])):
            raise ImprintError(f"module {site.module!r} {why}, so {name!r} is no site.")
        return site

    @property
    def names(self) -> list[str]:
        """Names of all modules and outputs of recurrent modules."""
        named = [f"{m}.{output}" for m, module in self.modules.items() for output in named_outputs(module)]
        return [*self.modules, *named]

    # -- passes --------------------------------------------------------------------------------------------------

    def forward(self, batch: Batch) -> Any:
        """What the model gives for a batch."""
        if self._takes_mask and batch.mask is not None:
            return self.model(batch.observation, attention_mask=batch.mask.long())
        return self.model(batch.observation)

    @property
    def run(self) -> Run:
        """The function that is run to read activations: the value if one was given, otherwise the model."""
        return self.forward if self.given_value is None else self.value

    def value(self, batch: Batch) -> Tensor:
        """Value ``[n]`` of one batch; raises unless it is one number per row."""
        n = len(batch)
        source = "the model" if self.given_value is None else "value()"
        out = self._computed(batch)
        if isinstance(out, Tensor) and out.is_complex():
            raise ImprintError(
                f"{source} gives complex numbers; expected real ones: choose a part of them, or their size."
            )
        if isinstance(out, Tensor) and (tuple(out.shape) in ((n,), (n, 1)) or out.numel() == n == 1):
            return out.reshape(n) if out.is_floating_point() else out.reshape(n).float()
        got = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
        advice = "return one number per row." if self.given_value else "pass value=, which gives one number per row."
        raise ImprintError(f"{source} returned {got} for {n} observations; expected [{n}] or [{n}, 1]: {advice}")

    def _computed(self, batch: Batch) -> Any:
        value = self.given_value
        if isinstance(value, OfBatch):
            return value.of(batch)
        return self.forward(batch) if value is None else as_tensor(value(batch.observation))

    def outputs(self, batch: Batch, run: Run, modules: set[str]) -> dict[str, list[Any]]:
        """Outputs of each of the modules that runs, in the order in which their first runs end."""
        outputs: dict[str, list[Any]] = {}

        def record(module: str) -> Callable[[Any], None]:
            return lambda output: outputs.setdefault(module, []).append(output)

        with torch.no_grad(), self.hooked({module: record(module) for module in modules}):
            run(batch)
        return outputs

    def connected(self, batch: Batch, sites: Sequence[Site], run: Run | None = None) -> set[str]:
        """Names of those sites that the value is computed from.

        Where no gradient tells, the item is replaced, and counts as used if the value changes at all.
        """
        run, added = run or self.run, dict[str, list[Tensor]]()

        def add(site: Site) -> Callable[[Any], Any]:
            hooked = Hooked(site.module, *self.module(site.module), batch, self.time_first, False)

            def hook(output: Any) -> Any:
                item = hooked.item(site, output)
                leaf = torch.zeros_like(item, requires_grad=True)
                added.setdefault(site.name, []).append(leaf)
                return replaced(hooked.module, output, site.item, item + leaf, len(batch))

            return hook

        def move(site: Site) -> Callable[[Any], Any]:
            hooked = Hooked(site.module, *self.module(site.module), batch, self.time_first, False)

            def hook(output: Any) -> Any:
                item = hooked.item(site, output)
                wave = torch.arange(item.numel(), device=item.device).cos().reshape(item.shape).to(item.dtype)
                return replaced(hooked.module, output, site.item, item * -2 + 1 + wave, len(batch))

            return hook

        with torch.enable_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Converting a tensor with requires_grad")  # the gradient is ours
            found = set[str]()
            for site in sites:
                with self.hooked({site.module: add(site)}), suppress(Exception):  # such a value is without a gradient
                    found |= names_connected(run(batch), added)
        with torch.no_grad():
            for site in sites:
                if site.name in found:
                    continue
                with self.hooked({}):
                    before = run(batch)
                with self.hooked({site.module: move(site)}):
                    after = run(batch)
                if _differ(before, after):
                    found.add(site.name)
        return found

    def read_pass(self, batch: Batch, by_module: Mapping[str, list[Site]], keep: Keep, run: Run) -> dict[str, Reader]:
        """One pass that reads sites, and another one when a module turns out to run several times."""
        readers = {name: self._reader(name, batch, sites, keep) for name, sites in by_module.items()}
        with self.hooked(readers):
            run(batch)
        if new := {name for name, reader in readers.items() if reader.runs > 1} - self.repeated:
            self.repeated |= new
            again = {name: self._reader(name, batch, by_module[name], keep) for name in new}
            with self.hooked(again):
                run(batch)
            readers |= again
        return readers

    def module(self, name: str) -> tuple[nn.Module, nn.Module]:
        """A module, and the one whose kind says where channels stand in its output."""
        return self.modules[name], laid_out_by(self.modules, name, ROOT)

    def _reader(self, name: str, batch: Batch, sites: Sequence[Site], keep: Keep) -> Reader:
        repeated = name in self.repeated
        return Reader(name, *self.module(name), batch, self.time_first, repeated, sites=sites, keep=keep)

    def batches(self, observation: Observations, size: int, *, whole: bool = True) -> Iterator[Batch]:
        """Batches of at most ``size`` rows on the model's device, floats in its precision, with their masks.

        ``whole``: whether all rows are there, so that a fixed mask must have as many. The first batch is also where
        the model is tried (:mod:`imprint.probes.subjects.trust`).
        """
        observation = self.received(observation)
        if whole and isinstance(observation, Tensor) and isinstance(self.mask, Tensor):
            mask_of(self.mask, len(observation))
        return self._batches(batches_of(observation, size))

    def _batches(self, tensors: Iterator[Tensor]) -> Iterator[Batch]:
        start = 0
        for given in tensors:
            mask = self._mask_of(given, slice(start, start + len(given)))
            start += len(given)
            batch = self._batch(given, mask) if self._in_place is not None else self._tried(given, mask)
            yield batch.copy() if self._in_place else batch

    def probe(self, observation: Observations) -> Batch:
        """The few first rows."""
        return next(self.batches(observation, PROBE, whole=False)).part(slice(0, PROBE))

    def items(self, batch: Batch, name: str, output: Any) -> list[Site]:
        """A site for every item of a module's output that can be read."""
        module = self.modules[name]
        return [
            Site(f"{name}{suffix}", name, item=path)
            for suffix, path in leaves(module, output)
            if readable(part(module, output, path, len(batch)), len(batch))
        ]

    def discovered(self, observation: Observations, run: Run) -> dict[str, tuple[int, ...]]:
        """Sites of the modules without an inner module that run once and give floats with one row each -> shapes."""
        batch, modules = self.probe(observation), self.modules
        names = {id(module): name for name, module in sorted(modules.items(), key=lambda item: -len(item[0]))}
        candidates = {
            name
            for name in names.values()
            if "parametrizations" not in name.split(".") and not unhookable(modules[name])
        }
        outputs_of = self.outputs(batch, run, candidates)
        ran = {id(modules[name]) for name in outputs_of}
        found: dict[str, tuple[int, ...]] = {}
        for name, outputs in outputs_of.items():
            module = modules[name]
            inner = any(id(other) in ran for other in module.modules() if other is not module)
            if inner or len(outputs) > 1:
                continue
            items = self.items(batch, name, outputs[0])
            used = self.connected(batch, items, run) if len(items) > 1 else set()
            kept = [item for item in items if item.name in used] or items[:1]
            found |= {item.name: self.shape(batch, name, outputs, item.item) for item in kept}
        return found

    def shape(self, batch: Batch, name: str, outputs: Sequence[Any], path: Path = ()) -> tuple[int, ...]:
        """Shape of an item of a module that ran once and gave a float tensor with one row each; else empty."""
        item: Any = part(self.modules[name], outputs[0], path, len(batch)) if len(outputs) == 1 else None
        return tuple(item.shape) if readable(item, len(batch)) else ()

    def _mask_of(self, observation: Tensor, rows: slice) -> Tensor | None:
        if self.mask is None:
            return None
        return mask_of(self.mask(observation) if callable(self.mask) else self.mask[rows], len(observation))

    def _batch(self, given: Tensor, mask: Tensor | None) -> Batch:
        placed = self._placed(given)
        return Batch(placed, None if mask is None else mask.to(placed.device))

    def _tried(self, given: Tensor, mask: Tensor | None) -> Batch:
        """The first batch. A model of several precisions is given floats as they are, or else in that of its first."""
        self._require_built()
        batch = self._batch(given, mask)
        try:
            self._try(batch)
        except ImprintError as error:
            self._as_given = False
            if error.__cause__ is None or (placed := self._batch(given, mask)).observation.dtype == given.dtype:
                raise
            batch = placed
            self._try(batch)
        return batch

    def _try(self, batch: Batch) -> None:
        what = "what the model gives" if self.given_value is None else "the value"
        with self.hooked({}):
            try:
                self._in_place = require_function(self.run, batch, what)
            except ImprintError:
                raise
            except Exception as error:
                given = f"{str(batch.observation.dtype)[6:]} {list(batch.observation.shape)}"
                raise ImprintError(f"{what} cannot be computed of observations {given}: {in_words(error)}.") from error

    def received(self, observation: Any) -> Any:
        """Observations as a user passes them; those of a policy may be NumPy arrays, and dictionaries of arrays."""
        return self.model.packed(observation) if isinstance(self.model, Pass) else observation

    def _placed(self, observation: Tensor) -> Tensor:
        """The observation on the model's device, floats in the model's precision."""
        if observation.is_inference() and not torch.is_inference_mode_enabled():
            observation = observation.clone()  # which a gradient can be taken of
        tensor = next(itertools.chain(self.model.parameters(), self.model.buffers()), None)
        if tensor is None:
            return observation
        precisions = dict.fromkeys(p.dtype for p in self.model.parameters() if p.is_floating_point())
        chosen = next(iter(precisions), None) if len(precisions) < 2 or not self._as_given else None
        floats = observation.is_floating_point() and not isinstance(self.model, Pass)
        return observation.to(tensor.device, chosen if floats and chosen is not None else observation.dtype)

    def _require_built(self) -> None:
        """Raise :class:`ImprintError` for parameters without values."""
        if lazy := [n for n, p in self.model.named_parameters() if isinstance(p, UninitializedParameter)]:
            raise ImprintError(f"{lazy[0]!r} of this model is built in its first pass; run the model once before.")
        if any(tensor.is_meta for tensor in itertools.chain(self.model.parameters(), self.model.buffers())):
            raise ImprintError("parameters of this model are on the meta device, where they have no values; load them.")

    @contextmanager
    def hooked(self, handlers: Mapping[str, Callable[[Any], Any]]) -> Iterator[None]:
        """Register forward hooks within this context; what a handler returns, unless ``None``, replaces the output.

        They act on the passes of this thread alone, and other subjects of the same model wait.
        """
        thread = threading.get_ident()

        def own(handler: Callable[[Any], Any]) -> Callable[..., Any]:
            return lambda _m, _i, out: handler(out) if threading.get_ident() == thread else None

        with examined(self.model):
            handles = []
            try:
                for name, handler in handlers.items():
                    handles.append(self.modules[name].register_forward_hook(own(handler)))
                yield
            finally:
                for handle in handles:
                    handle.remove()


def _takes_mask(model: nn.Module) -> bool:
    """Whether a model is given ``attention_mask``: it has such an argument, or hands all on to a module that has."""
    parameters = inspect.signature(model.forward).parameters
    if "attention_mask" in parameters:
        return True
    hands_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return hands_on and any(_takes_mask(inner) for inner in model.children())


def _axes(mask: Any) -> int:
    return int(getattr(mask, "ndim", 1))


def _modules_of(model: nn.Module) -> dict[str, nn.Module]:
    """Name -> module; TransformerLens' other names for hook points included."""
    modules = {name: module for name, module in model.named_modules(remove_duplicate=False) if name}
    modules.setdefault(ROOT, model)
    for name, point in dict(getattr(model, "hook_dict", None) or {}).items():
        modules.setdefault(name, point)
    return modules


def unhookable(module: nn.Module) -> str:
    """Why a module cannot be read by a hook, or an empty string."""
    if isinstance(module, torch.jit.ScriptModule):
        return "is compiled to TorchScript, which takes no hooks"
    if any(isinstance(p, UninitializedParameter) for p in module.parameters(recurse=False)):
        return "is built in its first pass and has not run yet"
    return ""


def _differ(before: Any, after: Any) -> bool:
    pairs = zip(tensors_in(before), tensors_in(after), strict=False)
    return any(a.shape != b.shape or not torch.equal(a, b) for a, b in pairs)
