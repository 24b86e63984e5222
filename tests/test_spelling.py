from __future__ import annotations

import pytest

from mirasol.spelling import closest, nearest, one_slip


@pytest.mark.parametrize(
    ("a", "b"), [("ab", "ba"), ("a", ""), ("", "a"), ("steps", "stps"), ("abc", "abbc"), ("a", "b")]
)
def test_one_slip(a, b):
    assert one_slip(a, b)
    assert one_slip(b, a)


@pytest.mark.parametrize(("a", "b"), [("ab", "cd"), ("abc", "cab"), ("steps", "tsesp"), ("", "ab")])
def test_more_than_one_slip(a, b):
    assert not one_slip(a, b)


def test_a_single_slip_comes_before_what_looks_alike():
    assert closest("ba", ["ab", "bar_bar"]) == "ab"
    assert closest("top_kp", ["top_p", "top_pk", "stop"]) == "top_p"


def test_capitals_and_underscores_do_not_hide_a_name():
    assert closest("trainsteps", ["TRAIN_STEPS", "SEED"]) == "TRAIN_STEPS"


def test_the_name_itself_is_never_offered():
    assert nearest("seed", ["seed", "zzzzzz"]) == ""
