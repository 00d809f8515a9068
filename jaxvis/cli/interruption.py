"""Ctrl-C, and SIGTERM, which schedulers and `kill` send, end a command in the same way."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

DEAF = "_xla_gc_callback"
"""A function of JAX that Python calls while it collects garbage. What is raised there is
printed and forgotten."""
SOON = 0.02
"""Seconds after which a signal that came there is sent again."""


@contextmanager
def treat_sigterm_as_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Makes SIGTERM raise KeyboardInterrupt inside the block, and puts its handler back.

    Only the main thread may set handlers; in another one nothing changes. A process that
    ignores a signal, or handles it in its own way, goes on to do so.

    Yields:
      A function that says whether a signal came. JAX turns a KeyboardInterrupt in some
      places into a ValueError.
    """
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if frame is not None and frame.f_code.co_name == DEAF:
            again = threading.Timer(SOON, signal.raise_signal, (number,))
            again.daemon = True
            again.start()
            return
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        usual = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
        before = {
            number: handler
            for number, handler in usual.items()
            if signal.getsignal(number) == handler
        }
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
