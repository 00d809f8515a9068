"""Pictures in and out: `io` (files), `plot` (figures), `record` (the JSON beside them).

Nothing here computes an image; only `jaxvis.sweep` and `jaxvis.cli` import it.
"""
