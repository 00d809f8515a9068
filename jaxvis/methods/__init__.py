"""Recipes: each composes a loss and hands it to the solver."""
