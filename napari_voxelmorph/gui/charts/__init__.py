"""Curves, painted fast."""
