"""Attacks on a whole set of images, or of networks, at once."""
