"""`python -m jaxvis`: the same as the command `jaxvis`."""

from jaxvis.cli import run_process

if __name__ == "__main__":
    run_process()
