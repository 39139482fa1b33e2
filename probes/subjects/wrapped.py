"""Models inside another tool's wrapper, ``NNsight(model)`` or ``torch.compile(model)``: the module itself is examined.

nnsight keeps the module that it wraps, unchanged, in ``_module``. A wrapper whose weights were not loaded yet (the
``LanguageModel`` of nnsight before ``dispatch``) holds tensors on the ``meta`` device, and is refused.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from imprint.models.errors import ImprintError


def unwrapped(model: Any) -> Any:
    """The module inside a wrapper; anything else as it is. Raises :class:`ImprintError` for weights not loaded."""
    if isinstance(model, nn.Module):
        return model._modules.get("_orig_mod", model)  # noqa: SLF001, what torch.compile wraps is kept there
    inner = getattr(model, "_module", None)
    if not isinstance(inner, nn.Module):
        return model
    if any(parameter.is_meta for parameter in inner.parameters()):
        raise ImprintError(
            f"the weights of this {type(model).__name__} are not loaded yet (they are on the meta device); load it "
            "with dispatch=True."
        )
    return inner
