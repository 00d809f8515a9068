"""Programs that measure jaxvis against other libraries and against the papers.

- `harness`: what a row is, how runs are timed and compared, and the registry of names.
- `peers`: the same work in torch, SciPy and optax.
- `speed`, `papers`, `quality`: the questions, one file each.

`python -m benchmarks --help` lists them. Two programs have commands of their own:
`benchmarks.quality.class_pictures` lets other networks judge pictures, and
`benchmarks.quality.train_demo` trains the embedded network.
"""
