"""How many programs a command compiled, and how many it found in the cache."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jax import monitoring

FOUND = "/jax/compilation_cache/cache_hits"
"""What JAX calls it that a program was found in the cache."""
READY = "/jax/core/compile/backend_compile_duration"
"""What JAX calls the seconds until a program is there, compiled or found."""


class Programs:
    """The programs that became ready, as JAX announces them.

    Attributes:
      found: the seconds that each of those took that were in the cache.
      compiled: the seconds that each of the others took.
    """

    def __init__(self) -> None:
        self.found: list[float] = []
        self.compiled: list[float] = []
        self._of_cache = threading.local()  # programs compile in several threads

    def note_event(self, event: str, **_: Any) -> None:
        """Notes that the program on its way in this thread was in the cache.

        Args:
          event: what happened; most are of no interest.
          **_: facts on it.
        """
        if event == FOUND:
            self._of_cache.now = True

    def note_duration(self, event: str, duration_secs: float, **_: Any) -> None:
        """Notes that a program is ready.

        Args:
          event: what ended; most are of no interest.
          duration_secs: how long it took.
          **_: facts on it.
        """
        if event == READY:
            of_cache = getattr(self._of_cache, "now", False)
            (self.found if of_cache else self.compiled).append(duration_secs)
            self._of_cache.now = False

    def __str__(self) -> str:
        """Both numbers, with their seconds, in words."""
        count = f"{len(self.compiled)} program{'s' * (len(self.compiled) != 1)}"
        return (
            f"{count} compiled in {sum(self.compiled):.1f} s, "
            f"{len(self.found)} found in the cache in {sum(self.found):.1f} s"
        )


@contextmanager
def report_programs() -> Iterator[None]:
    """Says on stderr what was compiled inside the block, where JAXVIS_DEBUG is set."""
    if not os.environ.get("JAXVIS_DEBUG"):
        yield
        return
    programs = Programs()
    monitoring.register_event_listener(programs.note_event)
    monitoring.register_event_duration_secs_listener(programs.note_duration)
    try:
        yield
    finally:
        monitoring.unregister_event_listener(programs.note_event)
        monitoring.unregister_event_duration_listener(programs.note_duration)
        print(f"jaxvis: {programs}", file=sys.stderr, flush=True)
