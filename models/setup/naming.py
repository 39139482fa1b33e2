"""The digest that names a setup; it is known without torch, so that pages and verification need none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

LATER = {"shared_birth": None, "worlds": 1, "first_seed": 0}
"""Settings of the schedule that came later, at values that change nothing: older runs keep their names."""

FIRST_RULE = {"kind": "backprop"}
"""How all learners were taught before other rules came; it changes no digest."""
EMPTY = ("scorecard", "routing", "rehearsal")
"""Parts of a setup that came later, and change nothing when they are empty."""


def digest_of(resolved: Mapping[str, Any]) -> str:
    """Eight hexadecimal digits of a resolved setup as it is stored, settings of an older version included."""
    content = {k: v for k, v in resolved.items() if k not in ("description", "question") and (v or k not in EMPTY)}
    if content.get("rule") == FIRST_RULE:
        del content["rule"]
    schedule = {k: v for k, v in (content.get("schedule") or {}).items() if (k, v) not in LATER.items()}
    return hashlib.sha256(json.dumps(content | {"schedule": schedule}, sort_keys=True).encode()).hexdigest()[:8]
