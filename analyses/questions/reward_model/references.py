"""Figures measured beforehand with two seeds; no tolerance was given, so they are shown and not judged."""

from __future__ import annotations

MEASURES = ("mean goal", "mean proxy", "mean neither", "AUC goal", "AUC proxy")
Range = tuple[float, float]
_RANGES: dict[float, tuple[Range, ...]] = {
    0.0: ((0.001, 0.001), (1.0, 1.0), (0.001, 0.001), (0.44, 0.46), (1.0, 1.0)),
    0.01: ((0.05, 0.08), (0.995, 0.995), (0.03, 0.03), (0.43, 0.47), (1.0, 1.0)),
    0.05: ((0.22, 0.24), (0.97, 0.97), (0.14, 0.14), (0.52, 0.55), (0.993, 0.993)),
    0.2: ((0.36, 0.36), (0.30, 0.48), (0.04, 0.04), (0.84, 0.86), (0.89, 0.96)),
    1.0: ((0.95, 0.98), (0.003, 0.017), (0.025, 0.025), (0.988, 0.988), (0.57, 0.71)),
}
REFERENCE = {varied: dict(zip(MEASURES, ranges, strict=True)) for varied, ranges in _RANGES.items()}
"""Fraction of varied training levels -> measure -> range over the two seeds."""
