"""Multifaceted visualization: the different things that one neuron likes."""
