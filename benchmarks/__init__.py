"""Programs that measure jaxvis and make what it ships: one file a question.

`python -m benchmarks --help` lists the measurements against other libraries;
`benchmarks.quality.class_pictures` judges pictures and `benchmarks.train_demo` trains the
embedded network, each a program of its own.
"""
