"""Attacks that look for the smallest perturbation that changes what a network says."""
