"""A signal is held back until the run says so, and then does what it would have done."""

import os
import signal
import threading

import pytest

from mtl_export.training.loop.held_signals import HeldSignals


def send(number):
    os.kill(os.getpid(), number)


def test_a_signal_is_held_until_it_is_delivered():
    with HeldSignals() as signals:
        assert not signals.is_holding
        send(signal.SIGINT)
        assert signals.is_holding
        with pytest.raises(KeyboardInterrupt):
            signals.deliver()
        assert not signals.is_holding


def test_a_second_one_is_not_held():
    def run():
        with HeldSignals() as signals:
            send(signal.SIGINT)
            assert signals.is_holding
            send(signal.SIGINT)
            pytest.fail("the second signal was held")

    with pytest.raises(KeyboardInterrupt):
        run()


def test_one_that_came_too_late_for_a_resume_point_is_delivered_at_the_end():
    with pytest.raises(KeyboardInterrupt), HeldSignals():
        send(signal.SIGINT)


def test_an_error_comes_before_a_signal():
    def run():
        with HeldSignals():
            send(signal.SIGINT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()


def test_other_handlers_are_called_and_restored():
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        handler = signal.getsignal(signal.SIGTERM)
        with HeldSignals() as signals:
            send(signal.SIGTERM)
            assert received == []
            signals.deliver()
            assert received == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with HeldSignals() as signals:
            send(signal.SIGINT)
            assert not signals.is_holding
    finally:
        signal.signal(signal.SIGINT, before)


def test_several_processes_and_other_threads_hold_nothing():
    handler = signal.getsignal(signal.SIGINT)
    with HeldSignals(processes=2):
        assert signal.getsignal(signal.SIGINT) is handler
    seen = []

    def enter():
        with HeldSignals():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [handler]
