"""Training on a folder of images: the images, the loop, checkpoints, and curves."""
