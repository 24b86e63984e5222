"""Parameters of another shape, against what linear interpolation gives by hand."""

import pytest
import torch

from mirasol.checkpoint.reshaping import Interpolate, Overlap


def test_twice_as_many_positions_lie_between_the_old_ones():
    old = torch.tensor([[0.0, 4.0], [8.0, 0.0]])
    made = Interpolate(names=["*"])(old, torch.zeros(4, 2))
    # New centres at -0.25, 0.25, 0.75, 1.25 of the old ones; outside the nearest one holds.
    assert made.tolist() == [[0.0, 4.0], [2.0, 3.0], [6.0, 1.0], [8.0, 0.0]]


def test_a_grid_is_interpolated_over_both_axes_and_what_stands_before_it_is_copied():
    torch.manual_seed(0)
    old, fresh = torch.randn(1 + 4, 3), torch.randn(1 + 6, 3)
    rule = Interpolate(names=["*"], grid=[2, 2], new_grid=[2, 3], first=1)
    assert rule.refusal((5, 3), (7, 3)) == ""
    made = rule(old, fresh)
    assert torch.equal(made[0], old[0])
    columns = Interpolate(names=["*"])
    for row in range(2):
        expected = columns(old[1 + 2 * row : 3 + 2 * row], torch.zeros(3, 3))
        torch.testing.assert_close(made[1 + 3 * row : 4 + 3 * row], expected)


def test_the_dtype_is_that_of_the_model():
    old = torch.ones(2, 3, dtype=torch.float16)
    for rule in (Interpolate(names=["*"]), Overlap(names=["*"])):
        assert rule(old, torch.zeros(4, 3, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("arguments", "old", "new", "why"),
    [
        ({}, (4, 8), (6, 8), ""),
        ({}, (4, 5, 6, 8), (2, 5, 3, 8), ""),
        ({}, (4, 8), (6, 9), "all axes but the last"),
        ({}, (4, 8), (4, 2, 8), "not their number"),
        ({}, (8,), (9,), "all axes but the last"),
        ({}, (), (8,), "not their number"),
        ({}, (2, 2, 2, 2, 8), (3, 2, 2, 2, 8), "one to three axes"),
        ({"first": 1}, (2, 2, 8), (3, 2, 8), "parameters of two axes"),
        ({"first": 4}, (4, 8), (6, 8), "there are 4 positions"),
        ({"grid": [2, 2], "new_grid": [3, 3]}, (5, 8), (9, 8), "[2, 2] does not have 5 positions"),
    ],
)
def test_what_cannot_be_interpolated_is_told(arguments, old, new, why):
    refusal = Interpolate(names=["*"], **arguments).refusal(old, new)
    assert why in refusal
    assert bool(why) == bool(refusal)


def test_grids_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match=r"Interpolate\.grid is \[2, 2\]"):
        Interpolate(names=["*"], grid=[2, 2], new_grid=[3])
    with pytest.raises(ValueError, match=r"Interpolate\.first is -1"):
        Interpolate(names=["*"], first=-1)


@pytest.mark.parametrize(("rows", "columns"), [(5, 3), (2, 3), (5, 2), (2, 5)])
def test_the_overlap_is_copied_and_the_rest_stays(rows, columns):
    old, fresh = torch.arange(12.0).reshape(4, 3), torch.full((rows, columns), -1.0)
    made = Overlap(names=["*"])(old, fresh)
    expected = fresh.clone()
    for row in range(min(4, rows)):
        for column in range(min(3, columns)):
            expected[row, column] = 3.0 * row + column
    assert torch.equal(made, expected)
    assert Overlap(names=["*"]).refusal((4, 3), (12,))
