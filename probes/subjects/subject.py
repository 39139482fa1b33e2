"""A subject: any ``torch.nn.Module``, whose activations can be read and edited at named sites.

All models are read and edited by forward hooks on sub-modules, found by name. TransformerLens' hook points are modules,
too, so a ``HookedRootModule`` or a bridge needs no special treatment; its alternative names
(``blocks.1.hook_resid_post``) are accepted. Hooks are removed at the end of every call, also when it fails.

Sites are written

    module.name          the whole output of a sub-module, flattened to [n, d]  (``output``: of the model itself)
    lstm.h, block[1]     an item of what a module returns (:mod:`imprint.probes.subjects.items`)
    module.name@3        position 3 along axis 1 of an output with three axes or more; also ``@last``, ``@mean``
                         (:mod:`imprint.probes.subjects.positions`), which respect a mask
    cell@3               call 3 of a module that runs several times (:mod:`imprint.probes.subjects.passes`)
    hook@moment          for our learners: a hook at a named moment of the world (:meth:`Subject.of_learner`)

Several sites are read in one forward pass, and copied at once, so that a later in-place operation cannot change them.

The *value* of a subject is one number per observation: ``value(observation)``, or the model's output when that is one
number. Sites are read while the value is computed; sites that the value does not run through are read in a second pass
``model(observation)``. An edit at such a site is an error, since it could not act on the value; so is one of an item
that the value is not computed from.

Observations are one tensor ``[n, ...]``; floats are converted to the model's precision and device, integers (tokens)
are moved to its device. :mod:`imprint.probes.subjects.guards` refuses models with foreign hooks or in training mode,
:mod:`imprint.probes.subjects.trust` those whose answer depends on chance, memory or other rows. Threads take turns.

Letters: n observations, b of them in one batch, d width of a site.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError, unknown_name
from imprint.probes.policies.library import is_algorithm, is_policy
from imprint.probes.policies.passes import Pass
from imprint.probes.subjects.hooked import PROBE, ROOT, HookedModel, Value
from imprint.probes.subjects.observations import Observations
from imprint.probes.subjects.passes import Batch, Editor, Keep, OfBatch, Reader
from imprint.probes.subjects.positions import number_of
from imprint.probes.subjects.proposals import blocks_of, proposal, require_small
from imprint.probes.subjects.shown import subject_card, subject_line
from imprint.probes.subjects.site import Edit, Site, at_least_float32, complete, copied, device_of, empty_rows, placed
from imprint.probes.subjects.trust import differentiable, in_words
from imprint.probes.subjects.wrapped import unwrapped

__all__ = ["ROOT", "Subject"]


if TYPE_CHECKING:
    from imprint.models.learners.base import Learner
    from imprint.models.worlds.base import World


class Subject:
    """Any model, read and edited through forward hooks; the module docstring says how sites are written."""

    def __init__(
        self,
        model: Any,
        value: Value | None = None,
        sites: Sequence[str | Site] | None = None,
        mask: Any = None,
        device: Any = None,
    ) -> None:
        """``model``: a ``torch.nn.Module``, or a policy or algorithm of Stable-Baselines3, whose value is its critic's.

        ``mask``: bool ``[n, T]``, true where a position is real, or a function that gives it of observations.

        A model whose ``forward`` takes an ``attention_mask`` is given it. ``device``: where activations are kept, by
        default on the CPU; the model stays where it is. Other arguments are described above. Raises
        :class:`ImprintError` for anything else.
        """
        if is_algorithm(model) or (value is None and is_policy(model)):
            model = Pass(model)
            value = model.value if value is None else value
        model = unwrapped(model)
        if not isinstance(model, nn.Module):
            raise ImprintError(
                f"a subject wraps a torch.nn.Module; got {type(model).__name__}. A function f of observations is "
                "Subject(torch.nn.Identity(), f). Values that were computed elsewhere go with their labels: "
                "imprint.analyses.latch.latch.latch_from_arrays, or Study.add_arrays."
            )
        if value is not None and not callable(value):
            raise ImprintError(f"value is {type(value).__name__}; expected a callable: observation [n, ...] -> [n].")
        if isinstance(sites, str):
            raise ImprintError(f"sites is the text {sites!r}; expected a list of names, for example [{sites!r}].")
        self.model, self.device = model, device_of(device)
        self._hooked = HookedModel(model, value, mask)
        self._reached: set[str] = set()
        self._declared: dict[str, Site] = {}
        for name in sites or ():
            site = name if isinstance(name, Site) else self.site(name)
            self._declared[site.name] = site

    @classmethod
    def of_learner(cls, learner: Learner, world: World, weight: Tensor, bias: Tensor, *, whole: bool = True) -> Subject:
        """One of our learners, read at all hooks at all moments; its value is ``latents @ weight + bias``.

        ``weight [D]`` reads latents ``[n, D]`` at the world's decision moment. Unless ``whole``, learners, which are
        causal in time, see episodes up to that moment only, for the same value sooner, and have no later sites.
        """
        if world.decision is None:
            raise ImprintError(f"{type(world).__name__} names no decision moment, at which the value is read.")
        step = world.moments[world.decision]
        seen = slice(None if whole else step + 1)
        sites = [
            Site(f"{hook}@{moment}", learner.module_of(hook), learner.index(hook, at))
            for hook in learner.read_points
            for moment, at in world.moments.items()
            if whole or at <= step
        ]
        return cls(learner, lambda rows: learner(rows[:, seen])[:, step].contiguous() @ weight + bias, sites)

    def __repr__(self) -> str:
        return subject_line(self.model, self._hooked.given_value, self._declared, self._hooked.modules)

    def _repr_html_(self) -> str:
        return subject_card(self.model, self._hooked.given_value, self._declared, self._hooked.modules)

    @property
    def declared(self) -> tuple[str, ...]:
        """Names of the sites given at construction; empty when there were none."""
        return tuple(self._declared)

    def site(self, name: str) -> Site:
        """The site called ``name``. Raises :class:`UnknownNameError` with the most similar name."""
        if name in self._declared:
            return self._declared[name]
        site = self._hooked.site(str(name))
        if site is None:
            advice = (
                "Sites are written module.name or module.name@position (a number, first, last, mean or max); items "
                "of an output module.name[1], recurrent ones lstm.h."
            )
            raise unknown_name("site", name, [*self._declared, *self._hooked.names], advice=advice)
        return site

    def sites(self, observation: Observations) -> tuple[str, ...]:
        """Names of the default sites: the declared ones, else the innermost modules that the value runs through."""
        return self.declared or tuple(self._default(observation))

    def reached(self, observation: Observations) -> tuple[str, ...]:
        """Names of the default sites that the value runs through; discovered ones in the order in which they run.

        Of a module that returns several items these are the items that the value is computed from.
        """
        if self._declared:
            modules = {site.module for site in self._declared.values()}
            ran = self._hooked.outputs(self._hooked.probe(observation), self._hooked.run, modules)
            return tuple(name for name, site in self._declared.items() if site.module in ran)
        return tuple(self._hooked.discovered(observation, self._hooked.run))

    def reaches(self, name: str, observation: Observations) -> bool:
        """Whether the value is computed from what is read at a site: whether an edit there can change it."""
        site = self.site(name)
        return site.name in self._hooked.connected(self._hooked.probe(observation), [site])

    def require_reached(self, names: Iterable[str], observation: Observations) -> None:
        """Raise :class:`ImprintError` where an edit cannot reach the value. What it finds out is remembered."""
        sites = [self.site(name) for name in names]
        self._counted(self._hooked.probe(observation), sites)

    def instead(self, name: str, observation: Observations) -> tuple[str, ...]:
        """Sites of the same module that the value is computed from, where it is not computed from ``name`` itself."""
        site, batch = self.site(name), self._hooked.probe(observation)
        outputs = self._hooked.outputs(batch, self._hooked.run, {site.module}).get(site.module, [])
        items = self._hooked.items(batch, site.module, outputs[0]) if outputs else []
        if len(items) < 2 or site.name in self._hooked.connected(batch, [site]):
            return ()
        return tuple(sorted(self._hooked.connected(batch, items)))

    def proposed_sites(self, observation: Observations) -> tuple[str, ...]:
        """At most 12 sites for a large model: outputs of its blocks, at the last position of a sequence."""
        blocks, batch = blocks_of(self.model), self._hooked.probe(observation)
        outputs = self._hooked.outputs(batch, self._hooked.run, set(blocks))
        shapes = {name: shape for name, ran in outputs.items() if (shape := self._hooked.shape(batch, name, ran))}
        last = "@-1" if self._hooked.mask is None else "@last"
        return proposal(shapes or self._default(observation), batch.observation, blocks, last)

    def _default(self, observation: Observations) -> dict[str, tuple[int, ...]]:
        found = self._hooked.discovered(observation, self._hooked.run)
        with suppress(Exception):  # a model that the value alone knows how to run
            return found or self._hooked.discovered(observation, self._hooked.forward)
        return found

    # -- reading -------------------------------------------------------------------------------------------------

    def stream(
        self, observation: Observations, sites: Sequence[str] | None = None, batch_size: int = 512
    ) -> Iterator[dict[str, Tensor]]:
        """Activations ``[b, d]`` per site, one dict per batch, on ``device``, without a gradient, in float32 or better.

        ``observation`` is ``[n, ...]``, or an iterable of batches ``[b, ...]``, which is read once and lazily; batches
        of more than ``batch_size`` rows are split. Default sites: :meth:`sites` of the first batch. All are read in one
        pass, and only one batch is in memory. Raises :class:`ImprintError` for a site that does not exist, does not
        run, runs twice, or gives NaN or infinite values.
        """
        batches, keep = self._hooked.batches(observation, batch_size), partial(copied, device=self.device)
        return self._stream(batches, None if sites is None else [self.site(name) for name in sites], keep)

    def _stream(
        self, batches: Iterator[Batch], chosen: list[Site] | None, keep: Keep, rows: int = 0
    ) -> Iterator[dict[str, Tensor]]:
        """``rows``: how many are kept at once, if more than a batch."""
        for batch in batches:
            if chosen is None:
                chosen = [self.site(name) for name in self._affordable(batch.observation, max(rows, len(batch)))]
            with torch.no_grad():
                activations = self._read(batch, chosen, keep)
            yield activations

    def activations(
        self, observation: Observations, sites: Sequence[str] | None = None, batch_size: int = 512
    ) -> dict[str, Tensor]:
        """Activations ``[n, d]`` per site; arguments and errors are those of :meth:`stream`."""
        observation = self._hooked.received(observation)
        if not isinstance(observation, Tensor):
            batches = list(self.stream(observation, sites, batch_size))
            return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
        activations, start = dict[str, Tensor](), 0

        def place(name: str, value: Tensor) -> Tensor:
            kept = activations.get(name)
            if kept is None or (not start and kept.shape[1] != value.shape[1]):  # a first look took one call for all
                activations[name] = kept = empty_rows(len(observation), value, self.device)
            return placed(name, kept, value, start)

        chosen = None if sites is None else [self.site(name) for name in sites]
        for _ in self._stream(self._hooked.batches(observation, batch_size), chosen, place, len(observation)):
            start += batch_size
        return complete(activations, self.model)

    def _affordable(self, batch: Tensor, rows: int) -> tuple[str, ...]:
        """The default sites; raises, with a proposal, where discovered ones are too large for so many rows."""
        if self._declared:
            return self.declared
        shapes = self._default(batch)
        require_small(shapes, rows, lambda: self.proposed_sites(batch))
        return tuple(shapes)

    def _read(self, batch: Batch, sites: Sequence[Site], keep: Keep) -> dict[str, Tensor]:
        """Finite activations ``[b, d]`` per site, each passed through ``keep`` as soon as it is computed."""
        by_module: dict[str, list[Site]] = {}
        for site in sites:
            by_module.setdefault(site.module, []).append(site)
        readers = self._hooked.read_pass(batch, by_module, keep, self._hooked.run)
        not_run = {name: by_module[name] for name, reader in readers.items() if not reader.runs}
        if not_run and self._hooked.given_value is not None:
            readers |= self._alone(batch, not_run, keep)
        activations: dict[str, Tensor] = {}
        for module, reader in readers.items():
            names = ", ".join(repr(site.name) for site in by_module[module])
            if reader.runs == 0:
                raise ImprintError(f"module {module!r} did not run in the forward pass, so nothing is read at {names}.")
            if reader.runs > 1 and any(site.index is None for site in by_module[module]):
                raise ImprintError(
                    f"module {module!r} ran {reader.runs} times in one forward pass, so its activation is not one "
                    f"thing; name a call, for example {module}@{reader.runs - 1}, or {module}@last or {module}@mean."
                )
            activations |= reader.read()
        return {site.name: activations[site.name] for site in sites}

    def _alone(self, batch: Batch, by_module: Mapping[str, list[Site]], keep: Keep) -> dict[str, Reader]:
        """Reads sites that the value does not run through."""
        try:
            return self._hooked.read_pass(batch, by_module, keep, self._hooked.forward)
        except ImprintError:
            raise
        except Exception as error:
            raise ImprintError(
                f"the value does not run module {next(iter(by_module))!r}, and the model alone cannot be run on these "
                f"observations: {in_words(error)}. Choose a site that the value runs through."
            ) from error

    # -- value ---------------------------------------------------------------------------------------------------

    def values(
        self, observation: Observations, *, edits: Mapping[str, Edit] | None = None, batch_size: int = 512
    ) -> Tensor:
        """Value ``[n]``, without a gradient, under ``edits`` of the forward pass (site -> function of ``[n, d]``)."""
        by_module = self._by_module(edits)
        with torch.no_grad():
            values = [self._edited(batch, by_module) for batch in self._hooked.batches(observation, batch_size)]
        return at_least_float32(torch.cat(values).cpu())

    def _by_module(self, edits: Mapping[str, Edit] | None) -> dict[str, list[tuple[Site, Edit]]]:
        by_module: dict[str, list[tuple[Site, Edit]]] = {}
        for name, edit in (edits or {}).items():
            site = self.site(name)
            by_module.setdefault(site.module, []).append((site, edit))
        return by_module

    def _edited(self, batch: Batch, by_module: Mapping[str, list[tuple[Site, Edit]]]) -> Tensor:
        """Value ``[n]`` of one batch under edits."""
        sites = [site for edits in by_module.values() for site, _ in edits]
        counts = self._counted(batch, sites)
        editors = {
            name: Editor(
                name,
                *self._hooked.module(name),
                batch,
                self._hooked.time_first,
                name in self._hooked.repeated,
                edits=edits,
                calls=counts.get(name),
            )
            for name, edits in by_module.items()
        }
        with self._hooked.hooked(editors):
            value = self._hooked.value(batch)
        for module, editor in editors.items():
            names = ", ".join(repr(site.name) for site, _ in by_module[module])
            by_call = editor.repeated and all(site.index is not None for site, _ in by_module[module])
            if editor.runs != 1 and not (by_call and editor.runs):
                raise ImprintError(
                    f"the value ran module {module!r} {editor.runs} times, so an edit at {names} is not defined; "
                    "expected once. Choose a site that the value runs through exactly once, or name a call."
                )
            wanted = [number_of(site.index) for site, _ in by_module[module] if site.index is not None]
            if bad := [n for n in wanted if editor.repeated and n is not None and not -editor.runs <= n < editor.runs]:
                raise ImprintError(f"an edit at call {bad[0]} of module {module!r}, which ran {editor.runs} times.")
        return value

    def _counted(self, batch: Batch, sites: Sequence[Site]) -> dict[str, int]:
        """How often modules run, where edits need to know it; refuses edits that cannot reach the value."""
        unknown = [site for site in sites if site.name not in self._reached]
        counted = {site.module for site in unknown}
        counted |= {site.module for site in sites if site.module in self._hooked.repeated and site.index is not None}
        if not counted:
            return {}
        few = batch if counted & self._hooked.repeated else batch.part(slice(0, PROBE))
        counts = {name: len(outputs) for name, outputs in self._hooked.outputs(few, self._hooked.run, counted).items()}
        positions = {site.module for site in sites if site.index is not None}
        several = {name for name, count in counts.items() if count > 1 and name in positions}
        if several - self._hooked.repeated:
            self._hooked.repeated |= several
            return self._counted(batch, sites)
        ran = [site for site in unknown if counts.get(site.module)]
        used = self._hooked.connected(batch.part(slice(0, PROBE)), ran)
        for site in ran:
            if site.name not in used:
                raise ImprintError(self._cut_off(site, batch.part(slice(0, PROBE))))
        self._reached |= used
        return counts

    def _cut_off(self, site: Site, batch: Batch) -> str:
        """What to say of a site whose edits cannot reach the value."""
        used = self.instead(site.name, batch.observation)
        advice = f"of what {site.module!r} gives it uses {', '.join(used)}." if used else "choose another site."
        return f"an edit at {site.name!r} cannot reach the value, which is not computed from it: {advice}"

    def value_with_grad(self, observation: Observations, *, edits: Mapping[str, Edit] | None = None) -> Tensor:
        """Value ``[n]``, differentiable in ``observation`` and in tensors of ``edits``; one pass over all rows."""
        observation = self._hooked.received(observation)
        size = len(observation) if isinstance(observation, Tensor) and observation.dim() else 1
        batch = next(self._hooked.batches(observation, max(size, 1)))
        by_module = self._by_module(edits)
        self._counted(batch, [site for changes in by_module.values() for site, _ in changes])
        with differentiable(edited=bool(by_module)):
            return self._edited(batch, by_module)

    def output(self, index: int) -> Subject:
        """The same model with column ``index`` of its output ``[n, m]``, for example a logit, as the value."""

        def column(batch: Batch) -> Tensor:
            out = self._hooked.forward(batch)
            if not isinstance(out, Tensor) or out.dim() != 2 or not -out.shape[1] <= index < out.shape[1]:
                got = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
                raise ImprintError(f"the model returned {got}, which has no column {index}; expected a tensor [n, m].")
            return out[:, index]

        return self._with_value(OfBatch(column))

    def reading(self, site: str, readout: Callable[[Tensor], Tensor]) -> Subject:
        """The same model with a readout ``[n, d] -> [n]`` (or ``[n, 1]``) of the activations at a site as the value."""
        at = self.site(site)

        def read(batch: Batch) -> Tensor:
            return readout(self._read(batch, [at], lambda _, value: value.clone())[at.name])

        return self._with_value(OfBatch(read))

    def _with_value(self, value: Value) -> Subject:
        return Subject(self.model, value, list(self._declared.values()), self._hooked.mask, self.device)

    def rows(self, rows: slice) -> Subject:
        """The same subject for some of the rows that a fixed mask describes; itself without one."""
        if self._hooked.mask is None or callable(self._hooked.mask):
            return self
        some = copy.copy(self)
        some._hooked = self._hooked.rows(rows)  # noqa: SLF001, its own class
        return some
