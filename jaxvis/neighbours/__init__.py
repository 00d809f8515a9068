"""Neighbourhoods of pixels: how far they are from each other, and the nearest one."""
