"""The question scorecard."""
