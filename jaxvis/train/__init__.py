"""Training on a folder of images: the input, the loop, what survives a kill."""
