"""Pictures in and out: image files and folders, sheets, figures, and records beside them.

Nothing here computes an image; only `jaxvis.train` and `jaxvis.cli` import it.
"""
