"""Differences of a computation's values from those of a baseline, shared out by DeepLift."""
