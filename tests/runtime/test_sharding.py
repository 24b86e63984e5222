"""Meshes and the rules by which parameters lie on them."""

import pytest

from mirasol.runtime.mesh import Mesh
from mirasol.runtime.sharding import Sharding, ShardingRule

FOUR = {"data": 1, "fsdp": 2, "tensor": 2}


def test_one_axis_has_the_devices_that_are_left():
    assert Mesh().sizes(1) == {"data": 1, "fsdp": 1, "tensor": 1}
    assert Mesh().sizes(8) == {"data": 1, "fsdp": 8, "tensor": 1}
    assert Mesh(data=-1, fsdp=2, tensor=4).sizes(16) == {"data": 2, "fsdp": 2, "tensor": 4}


@pytest.mark.parametrize(
    ("sizes", "devices", "said"),
    [
        ({"fsdp": 3}, 4, "Mesh of data 1 x fsdp 3 x tensor 1 needs 3 devices, and there are 4"),
        ({"tensor": 3}, 4, "needs a multiple of 3 devices, and there are 4; each axis must be one"),
        ({"fsdp": 2}, 1, "needs 2 devices, and there is 1; each axis must be one of 1,"),
    ],
)
def test_sizes_that_the_devices_do_not_make_are_told(sizes, devices, said):
    with pytest.raises(ValueError, match=said):
        Mesh(**sizes).sizes(devices)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"data": 0}, "Mesh.data is 0"),
        ({"tensor": -2}, "Mesh.tensor is -2; it must be above 0, or -1 for all devices left"),
        ({"data": -1}, "data and fsdp are -1"),
    ],
)
def test_sizes_that_no_mesh_has_are_refused(sizes, said):
    with pytest.raises(ValueError, match=said):
        Mesh(**sizes)


def test_columns_lie_over_tensor_and_rows_over_fsdp():
    axes = Sharding().axes("combiner.blocks.0.attention.query.weight", (96, 96), FOUR)
    assert axes == ("tensor", "fsdp")


def test_without_a_rule_the_largest_dimension_that_can_be_is_cut():
    assert Sharding().axes("x", (6, 96, 4), FOUR) == (None, "fsdp", None)
    assert Sharding().axes("x", (97, 4), FOUR) == (None, "fsdp")
    assert Sharding().axes("x", (97, 3), FOUR) == (None, None)
    assert Sharding().axes("x", (), FOUR) == ()


def test_what_an_axis_does_not_divide_stays_whole():
    axes = Sharding().axes("a.attention.query.weight", (97, 96), FOUR)
    assert axes == (None, "fsdp")


def test_on_one_device_nothing_is_cut():
    one = Mesh().sizes(1)
    assert Sharding().axes("a.attention.query.weight", (96, 96), one) == (None, None)
    assert Sharding().axes("x", (96,), one) == (None,)


def test_a_rule_of_ones_own_comes_first():
    rule = ShardingRule(pattern="*.query.weight", axes=(None, "tensor"))
    sharding = Sharding(rules=[rule])
    assert sharding.axes("a.attention.query.weight", (96, 96), FOUR) == (None, "tensor")
    assert sharding.axes("a.attention.out.weight", (96, 96), FOUR) == ("fsdp", "tensor")


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (("tensr",), "not 'tensr'; did you mean 'tensor'"),
        (("data",), "parameters lie over fsdp or tensor, not 'data'"),
        (("fsdp", "fsdp"), "'fsdp' stands at several dimensions"),
    ],
)
def test_rules_that_mean_nothing_are_refused(axes, said):
    with pytest.raises(ValueError, match=said):
        ShardingRule(pattern="*", axes=axes)
