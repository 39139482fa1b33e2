"""Policies that users trained in environments of their own, examined on levels and judged together."""
