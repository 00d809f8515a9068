"""Scripts that measure jaxvis and make what it ships: one file a question."""
