"""The terms of a warm start: its source, its patterns, what it allows, and what it tells."""

from __future__ import annotations

import pytest
import torch

from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.reshaping import Interpolate
from mirasol.checkpoint.warm_start import WarmStart
from tests.checkpoint.starting import Small, contents, filled, save, stopped
from tests.models.builders import with_combiner


def test_what_is_missing_or_unused_stops_it_until_it_is_allowed(tmp_path):
    save(with_combiner("transformer"), tmp_path)
    model = with_combiner("perceiver")
    start = WarmStart(source=str(tmp_path))
    said = stopped(start, model)
    assert "WarmStart.allow_missing" in said
    assert "WarmStart.allow_unused" in said
    only_missing = WarmStart(source=str(tmp_path), allow_missing=["combiner.*"])
    assert "allow_missing" not in stopped(only_missing, model)
    both = WarmStart(
        source=str(tmp_path), allow_missing=["combiner.*"], allow_unused=["combiner.*"]
    )
    told = filled(both, model)
    assert told["missing"]
    assert told["unused"]
    assert all(name.startswith("combiner.") for name in told["missing"] + told["unused"])
    want = contents(with_combiner("transformer"))
    shared = [name for name in told["loaded"] if name.startswith("latent_model.")]
    assert shared
    assert all(torch.equal(contents(model)[name], want[name]) for name in told["loaded"])


def test_another_dtype_stops_it_until_it_is_allowed(tmp_path):
    save(Small(0.1).to(torch.bfloat16), tmp_path)
    model = Small(0.0)
    said = stopped(WarmStart(source=str(tmp_path)), model)
    assert "encoder.weight from bfloat16 to float32" in said
    told = filled(WarmStart(source=str(tmp_path), allow_cast=["*"]), model)
    assert set(told["cast"].values()) == {"bfloat16 to float32"}
    assert model.head.bias.item() == torch.tensor(0.1, dtype=torch.bfloat16).item()


def test_a_start_that_would_load_nothing_is_an_error(tmp_path):
    save(Small(1.0), tmp_path)
    with pytest.raises(ValueError, match=r"WarmStart\.names is empty"):
        WarmStart(source=str(tmp_path), names=[])
    every = {"allow_missing": ["*"], "allow_unused": ["*"]}
    start = WarmStart(source=str(tmp_path), renames=[("*", "other.*")], **every)
    assert stopped(start, Small(0.0)).startswith("WarmStart.source: nothing of it would be loaded")


def test_patterns_that_match_nothing_are_errors(tmp_path):
    save(Small(1.0), tmp_path)
    start = WarmStart(
        source=str(tmp_path),
        names=["*", "encodr.*"],
        renames=[("classifier.*", "head.*")],
        allow_missing=["haed.*"],
        allow_unused=["gate"],
        allow_cast=["head.wieght"],
        reshapes=[Interpolate(names=["toknes_MD"])],
    )
    assert stopped(start, Small(0.0)).splitlines() == [
        "WarmStart.names: nothing is called 'encodr.*'; did you mean 'encoder.*'?",
        "WarmStart.renames: nothing is called 'classifier.*'",
        "WarmStart.allow_missing: nothing is called 'haed.*'; did you mean 'head.*'?",
        "WarmStart.allow_unused: nothing is called 'gate'",
        "WarmStart.allow_cast: nothing is called 'head.wieght'; did you mean 'head.weight'?",
        "Interpolate.names: nothing is called 'toknes_MD'; did you mean 'tokens_MD'?",
    ]


def test_two_tensors_cannot_become_one(tmp_path):
    save(Small(1.0), tmp_path)
    start = WarmStart(source=str(tmp_path), renames=[("encoder.bias", "head.bias")])
    assert "encoder.bias, head.bias would all be head.bias" in stopped(start, Small(0.0))


def test_the_source_is_a_workdir_its_checkpoints_or_one_of_them(tmp_path):
    for step in (1, 2):
        save(Small(float(step)), tmp_path / "run", step)
    folder = tmp_path / "run" / "checkpoints"
    for source, step, value in (
        (tmp_path / "run", None, 2.0),
        (tmp_path / "run", 1, 1.0),
        (folder, None, 2.0),
        (folder / "step_00000001", None, 1.0),
        (folder / "step_00000001", 1, 1.0),
        (f"file://{folder}", 1, 1.0),  # Read as a bucket is.
    ):
        model = Small(0.0)
        start = WarmStart(source=str(source), step=step)
        assert filled(start, model)["source"]["step"] == value
        assert model.head.bias.item() == value
        assert start.pinned().step == value


def test_a_source_that_is_not_there_is_told_with_the_nearest(tmp_path):
    save(Small(1.0), tmp_path / "run")
    (tmp_path / "empty").mkdir()
    folder = tmp_path / "run" / "checkpoints"
    for source, step, said in (
        (tmp_path / "rnu", None, "rnu is not there; did you mean '.*run'?"),
        (tmp_path / "empty", None, "empty holds no checkpoints: .* did you mean '.*run'?"),
        (tmp_path / "run", 3, r"no checkpoint of step 3 in .*run, which has \[5\]"),
        (folder / "step_00000005", 3, r"WarmStart\.step is 3; .* is of step 5"),
    ):
        with pytest.raises(CheckpointError, match=said):
            WarmStart(source=str(source), step=step).apply(Small(0.0))


def test_lines_for_people_count_and_name(tmp_path):
    save(with_combiner("transformer"), tmp_path)
    start = WarmStart(
        source=str(tmp_path), allow_missing=["combiner.*"], allow_unused=["combiner.*"]
    )
    counts, missing, unused = start.apply(with_combiner("perceiver")).lines()
    assert counts.startswith(f"Warm start from {tmp_path}/checkpoints/step_00000005: ")
    assert ", 0 renamed, 0 reshaped, 0 cast, " in counts
    assert missing.startswith("missing, as the seed made them: combiner.latents_MD")
    assert " more" in unused


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"renames has \('a\.\*', 'b'\); both must have as many"):
        WarmStart(source="x", renames=[("a.*", "b")])
    with pytest.raises(ValueError, match=r"WarmStart\.step is -1"):
        WarmStart(source="x", step=-1)
