"""The parts of a loss: canvases, views, objectives, priors, and their sum."""
