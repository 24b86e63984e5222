"""Rules about sizes of one part: none is stricter than the part's own constructor."""

from __future__ import annotations

import pytest
import torch

from mirasol import config
from mirasol.examination import examine
from mirasol.gin_files import shipped_folder
from mirasol.models import encoders, tubes
from mirasol.sizes import TILES, indivisible
from mirasol.wiring import parameters

COMBINERS = sorted(path.name for path in (shipped_folder() / "models/combiners").glob("*.gin"))


def wired(*files, flags=()):
    examined = examine(["runs/av_shapes_tiny.gin", *files], flags, config.ROOT)
    assert not examined.findings
    return examined.wiring, examined.bound


@pytest.mark.parametrize(
    "file",
    [
        "models/reconstruction/video_and_audio.gin",
        "models/encoders/tubes.gin",
        *(f"models/combiners/{name}" for name in COMBINERS),
    ],
)
def test_every_part_with_heads_and_a_width_wants_them_to_divide(file):
    wiring, bound = wired(file)
    concerned = [
        part
        for part in wiring.objects()
        if {"heads", "width"} <= parameters(part.reference.target).keys() & part.origin.keys()
    ]
    assert len(concerned) >= 4
    for part in concerned:
        wiring, bound = wired(file, flags=[f"{part.title}.heads = 7"])
        ((found, refusal),) = indivisible(wiring, bound)
        assert found.title == part.title
        assert refusal.said.endswith("is not a multiple of 7 heads")
        values = {
            name: wiring.expand(value)
            for name, value in wiring.values(found).items()
            if not name.endswith("encoder")
        }
        with torch.device("meta"), pytest.raises(ValueError, match="multiple of 7 heads"):
            found.reference.target(**values | own_parts(part))


def test_what_somebody_else_wrote_may_mean_other_things_by_these_names(monkeypatch, tmp_path):
    (tmp_path / "own_parts.py").write_text(
        "class Pool:\n    def __init__(self, *, width, heads):\n        pass\n"
        "    forward = start = step = None\n"
    )
    (tmp_path / "own.gin").write_text(
        "from __gin__ import dynamic_registration\n"
        "import own_parts\nfrom mirasol.models import mirasol3b\n"
        "mirasol3b.Mirasol.combiner = @own_parts.Pool()\n"
        "own_parts.Pool:\n    width = 96\n    heads = 7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    wiring, bound = wired(str(tmp_path / "own.gin"))
    assert "Pool" in [part.title for part in wiring.objects()]
    assert list(indivisible(wiring, bound)) == []


def own_parts(part):
    """Returns what of a part's values is a part itself."""
    if part.reference.target is encoders.TubeVideoEncoder:
        return {"tubes": tubes.tubes_for_short_chunks()}
    return {}


@pytest.mark.parametrize(("owner", "name", "covered"), TILES)
def test_what_must_tile_is_refused_by_the_constructor_too(owner, name, covered):
    assert {name, *covered} <= parameters(owner).keys()
    wiring, bound = wired()
    (part,) = [each for each in wiring.objects() if each.reference.target is owner]
    values = {key: wiring.expand(value) for key, value in wiring.values(part).items()}
    for place in range(len(values[name])):
        patch = tuple(7 if i == place else size for i, size in enumerate(values[name]))
        changed = wired(flags=[f"{owner.__name__}.{name} = {patch}"])
        assert [refusal.title for _, refusal in indivisible(*changed)] == [owner.__name__]
        with torch.device("meta"), pytest.raises(ValueError, match="do not tile"):
            owner(**values | {name: patch})
    assert list(indivisible(wiring, bound)) == []


def test_patches_that_overlap_need_not_tile():
    flags = ["AudioEncoder.patch = (7, 9)"]
    examined = examine(["runs/av_shapes_tiny.gin"], flags, config.ROOT)
    assert [refusal.title for _, refusal in indivisible(examined.wiring, examined.bound)] == [
        "AudioEncoder"
    ]
    wiring, bound = wired(flags=[*flags, "AudioEncoder.stride = (5, 5)"])
    assert list(indivisible(wiring, bound)) == []
