import math

import ml_dtypes
import numpy as np
import pytest

from mirasol.checkpoint import comparison
from mirasol.checkpoint.comparison import largest_difference

CASES = [
    ("float32", [1.0, 2.0, 3.0], [1.0, 2.5, 2.0], 1.0),
    ("float32", [0.0, 1.0], [-0.0, 1.0], 0.0),
    ("float32", [math.inf, 1.0], [math.inf, 1.5], 0.5),
    ("float32", [math.inf], [-math.inf], math.inf),
    ("float64", [1e300, 0.0], [-1e308, 0.0], 1e308 + 1e300),
    ("float16", [60000.0], [-60000.0], 120000.0),
    ("complex64", [1 + 1j], [4 + 5j], 5.0),
    ("int64", [-(2**63), 5], [2**63 - 1, 5], float(2**64 - 1)),
    ("int64", [2**60], [2**60 + 1], 1.0),
    ("uint8", [3, 250], [250, 3], 247.0),
    ("bool", [True, False], [True, True], 1.0),
]


@pytest.mark.parametrize(("dtype", "a", "b", "expected"), CASES)
def test_the_largest_difference_of_what_differs(dtype: str, a: list, b: list, expected: float):
    assert largest_difference(np.array(a, dtype), np.array(b, dtype)) == pytest.approx(expected)
    assert largest_difference(np.array(a, dtype), np.array(a, dtype)) is None


def test_narrow_floats():
    a, b = (np.array([x, 1.0], ml_dtypes.bfloat16) for x in (2.0, -2.0))
    assert largest_difference(a, b) == 4.0
    a, b = (np.array(x, ml_dtypes.float8_e4m3fn) for x in (2.0, 0.5))
    assert largest_difference(a, b) == 1.5


def test_what_is_not_a_number():
    a, b = np.array([math.nan, 1.0]), np.array([math.nan, 3.0])
    assert largest_difference(a, b) == 2.0
    assert math.isnan(largest_difference(a, np.array([0.0, 3.0])) or 0.0)


def test_scalars_and_nothing():
    assert largest_difference(np.array(2.0), np.array(5.0)) == 3.0
    assert largest_difference(np.zeros((0, 3)), np.zeros((0, 3))) is None


def test_large_arrays_are_compared_in_pieces(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(comparison, "_PIECE", 4)
    a = np.arange(10.0)
    b = a.copy()
    b[9] += 7
    b[1] -= 2
    assert largest_difference(a, b) == 7.0
