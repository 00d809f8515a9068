"""Ctrl-C held back for a moment, while something is done that must not be left half done.

Python raises KeyboardInterrupt between any two instructions: between a compiled step
that has consumed the old state and the assignment of the new one, or inside a comparison
that JAX makes while it looks for a compiled program, which turns it into a ValueError.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def hold_interrupts() -> Iterator[Callable[[], bool]]:
    """Holds signals back that would interrupt the block.

    That is Ctrl-C, and SIGTERM where a Python function handles it. A second signal is
    raised at once, for whoever cannot wait. Signals reach the main thread alone, so in
    another one there is nothing to hold back.

    Yields:
      A function that says whether a signal came. Whoever asks it and hears True ends the
      work; if nobody does, the signal is raised when the block ends.

    Raises:
      KeyboardInterrupt: at the end of the block, if a signal came and nobody asked.
    """
    held: list[tuple[int, FrameType | None]] = []
    heard = False

    def ask() -> bool:
        nonlocal heard
        heard = heard or bool(held)
        return bool(held)

    if threading.current_thread() is not threading.main_thread():
        yield ask
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in before.items() if callable(handler)}

    def hold(number: int, frame: FrameType | None) -> None:
        held.append((number, frame))
        if len(held) > 1:
            before[number](number, frame)

    for number in before:
        signal.signal(number, hold)
    try:
        yield ask
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if held and not heard:
        before[held[0][0]](*held[0])
