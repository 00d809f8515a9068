"""Ctrl-C that is held back while something must not be left half done."""

import signal
import threading

import pytest

from jaxvis.interrupts import hold_interrupts


def handlers():
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_a_signal_is_raised_at_the_end_of_the_block():
    before, steps = handlers(), []
    with pytest.raises(KeyboardInterrupt):
        with hold_interrupts():
            signal.raise_signal(signal.SIGINT)
            steps.append("after")
    assert steps == ["after"] and handlers() == before


def test_whoever_asks_and_hears_yes_ends_the_work():
    with hold_interrupts() as stopped:
        assert not stopped()
        signal.raise_signal(signal.SIGINT)
        assert stopped() and stopped()


def test_a_second_signal_is_raised_at_once():
    before, steps = handlers(), []
    with pytest.raises(KeyboardInterrupt):
        with hold_interrupts():
            signal.raise_signal(signal.SIGINT)
            steps.append("first")
            signal.raise_signal(signal.SIGINT)
            steps.append("second")
    assert steps == ["first"] and handlers() == before


def test_an_error_of_the_block_goes_first_and_handlers_are_put_back():
    before = handlers()
    with pytest.raises(ValueError, match="mine"):
        with hold_interrupts():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("mine")
    assert handlers() == before


def test_sigterm_is_held_back_where_a_function_handles_it():
    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with hold_interrupts() as outer, hold_interrupts() as inner:
            signal.raise_signal(signal.SIGTERM)
            assert inner() and not outer()
        assert signal.getsignal(signal.SIGTERM) is interrupt
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_block_inside_another_hands_its_signal_on():
    with hold_interrupts() as outer:
        with hold_interrupts():
            signal.raise_signal(signal.SIGINT)
        assert outer()


def test_another_thread_holds_nothing_back():
    before, found = handlers(), []

    def work():
        with hold_interrupts() as stopped:
            found.append((stopped(), handlers() == before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, True)]
