"""The static site of a sweep: what is measured of a network, and pages to look through it."""
