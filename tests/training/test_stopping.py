"""Signals, in processes of their own that need nothing heavy."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mirasol.training.stopping import Stop, Stopped, on_signals

ROOT = Path(__file__).parents[2]
BEGIN = """
import hashlib, os, signal, sys, time
from mirasol.training import stopping
from mirasol.training.stopping import on_signals, Stopped

def deep_in_a_library(seconds):
    # In one call, during which the interpreter runs no handler.
    end = time.monotonic() + seconds
    hashlib.pbkdf2_hmac("sha512", b"", b"", int(seconds * ROUNDS))
    assert time.monotonic() > end - seconds / 2

began = time.monotonic()
hashlib.pbkdf2_hmac("sha512", b"", b"", 100_000)
ROUNDS = 100_000 / (time.monotonic() - began)
stopping.UNWINDING_S = 0.3
try:
    with on_signals() as stop:
"""
END = """
except Stopped as stopped:
    print(stopped.code, stopped)
"""


def ended(body: str, *signals: tuple[float, int]) -> tuple[int, str, str]:
    """Runs a block that hears signals; sends some, each after a pause from when it says "go"."""
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", BEGIN + lines + END],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    for pause_s, number in signals:
        time.sleep(pause_s)
        process.send_signal(number)
    out, error = process.communicate(timeout=60)
    return process.returncode, out, error


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_breaks_off_what_has_nothing_to_lose(number, code):
    body = 'print("go")\ntime.sleep(60)'
    returned, out, _ = ended(body, (0.0, number))
    assert returned == 0
    assert out.startswith(f"{code} stopped by {number.name}: the same command goes on")


def test_what_is_to_be_finished_is_finished_and_says_so():
    body = """
with stop.finishing():
    print("go")
    time.sleep(0.5)
    print("finished")
    stop.check()
    print("not here")
""".strip()
    returned, out, error = ended(body, (0.1, signal.SIGTERM))
    assert returned == 0
    assert out.startswith("finished\n143 stopped by SIGTERM")
    assert "SIGTERM: saving what is trained, then stopping; a second signal ends at once" in error


def test_a_part_of_it_may_be_interruptible():
    body = """
with stop.finishing():
    with stop.interruptible():
        print("go")
        time.sleep(60)
""".strip()
    _, out, _ = ended(body, (0.1, signal.SIGINT))
    assert out.startswith("130 stopped by SIGINT")


def test_a_second_signal_ends_at_once_even_deep_in_a_library():
    body = """
with stop.finishing():
    print("go")
    deep_in_a_library(20)
""".strip()
    began_s = time.monotonic()
    returned, out, error = ended(body, (0.1, signal.SIGTERM), (0.7, signal.SIGTERM))
    assert (returned, out) == (143, "")
    assert "ended by a second signal" in error
    assert time.monotonic() - began_s < 15


def test_one_signal_that_is_sent_twice_is_one():
    body = """
with stop.finishing():
    print("go")
    time.sleep(0.8)
    print("finished")
    stop.check()
""".strip()
    _, out, _ = ended(body, (0.1, signal.SIGTERM), (0.05, signal.SIGTERM))
    assert out.startswith("finished\n143")


def test_what_does_not_come_back_is_ended_if_nothing_is_lost_by_it():
    body = """
with stop.finishing(), stop.expendable():
    print("go")
    deep_in_a_library(20)
""".strip()
    returned, out, error = ended(body, (0.1, signal.SIGTERM))
    assert (returned, out) == (143, "")
    assert "ended; the same command goes on from what is saved" in error


PATIENT = """
with stop.finishing(), stop.interruptible(patiently=True):
    print("go")
    time.sleep({seconds})
    print("finished")
stop.check()
""".strip()


def test_what_waits_patiently_may_come_to_its_end():
    _, out, _ = ended(PATIENT.format(seconds=0.5), (0.1, signal.SIGTERM))
    assert out.startswith("finished\n143")


def test_but_not_for_ever():
    returned, out, error = ended(PATIENT.format(seconds=60), (0.1, signal.SIGTERM))
    assert returned == 0
    assert out.startswith("143 stopped by SIGTERM")
    assert "second signal\n" not in error.replace("a second signal ends at once\n", "")


def test_a_second_signal_ends_what_waits_patiently():
    signals = (0.1, signal.SIGTERM), (0.7, signal.SIGINT)
    returned, out, error = ended(PATIENT.format(seconds=60), *signals)
    assert (returned, out) == (130, "")
    assert "ended by a second signal" in error


def test_a_signal_to_another_process_stops_this_one_too():
    stop, asked = Stop(), []

    def agreed(number):
        asked.append(number)
        return signal.SIGTERM if len(asked) == 2 else number

    with stop.finishing(), stop.together(agreed):
        stop.check()
        with pytest.raises(Stopped) as stopped:
            stop.check()
    assert (asked, stopped.value.code) == ([0, 0], 143)
    stop.check()  # Alone again.


def test_processes_that_stop_together_break_off_what_is_expendable_alone():
    stop = Stop()
    with stop.finishing(), stop.together(lambda number: number):
        with stop.interruptible(patiently=True):
            stop._take(signal.SIGTERM, None)
        with pytest.raises(Stopped), stop.interruptible():
            raise RuntimeError("a worker is gone")
        with pytest.raises(Stopped), stop.expendable():
            raise AssertionError("not here")


def test_an_error_that_a_signal_brought_about_is_no_error():
    stop = Stop()
    with pytest.raises(Stopped), stop.finishing(), stop.interruptible():
        stop._breaks_off = False
        stop._take(signal.SIGTERM, None)
        raise RuntimeError("a worker is gone")
    with pytest.raises(RuntimeError), Stop().interruptible():
        raise RuntimeError("a worker is gone")


def test_a_signal_that_was_heard_before_is_not_forgotten():
    stop = Stop()
    with stop.finishing():
        stop._take(signal.SIGINT, None)
        stop._take(signal.SIGTERM, None)
        with pytest.raises(Stopped, match="stopped by SIGINT"), stop.interruptible():
            raise AssertionError("not here")


def test_handlers_are_put_back_and_a_block_within_is_the_same():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    threads = threading.active_count()
    with on_signals() as outer, on_signals() as inner:
        assert inner is outer
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert threading.active_count() == threads


def test_other_threads_hear_nothing():
    heard = []

    def run() -> None:
        with on_signals() as stop:
            heard.append(stop.check())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert heard == [None]
