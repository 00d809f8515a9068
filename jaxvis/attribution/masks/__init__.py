"""Heatmaps from the scores of images of which masks hide a part; no gradient is needed."""
