"""The names that need no TensorFlow are those that seqio has."""

from __future__ import annotations

from mirasol.data import task_names


def test_shipped_names_and_splits_are_those_that_are_registered():
    shipped = {name: tuple(sorted(splits)) for name, splits in task_names.shipped().items()}
    assert shipped == task_names.registered()


def test_a_name_that_only_looks_right_is_named_with_the_nearest():
    assert task_names.unknown_task("av_shapes_4") == ""
    assert "did you mean 'av_shapes_4'?" in task_names.unknown_task("av_shaeps_4")
    assert "did you mean 'test'?" in task_names.unknown_split("av_shapes_4", "tset")
    assert task_names.unknown_split("vggsound", "reported") == ""
