"""Whether a network reads its images as it was trained to."""
