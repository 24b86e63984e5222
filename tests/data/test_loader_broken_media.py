"""What comes of tasks, splits and media that are not there; batches run beside seqio."""

from __future__ import annotations

from pathlib import Path

import pytest
from streams import MODULES, clips, converter, prompts

from mirasol.data.broken_media import Skip, Stop
from mirasol.data.loader import Stage, evaluation_batches, training_batches


def missing_module() -> str:
    """Returns what a task module that is not there raises; runs beside seqio."""
    from mirasol.data import source

    with pytest.raises(ModuleNotFoundError) as caught:
        source.find_task("toy_red", ("no_such_tasks",))
    return str(caught.value)


def test_a_missing_task_module_is_named(seqio_process):
    assert "no_such_tasks" in seqio_process(missing_module)


def error_of(task: str, split: str, skip: bool = False) -> tuple[str, str]:
    """Returns type and message of what a first batch raises; runs beside seqio."""
    stream = training_batches(
        [Stage(task)],
        split,
        converter(),
        8,
        0,
        workers=0,
        task_modules=MODULES,
        broken_media=Skip() if skip else Stop(),
    )
    try:
        next(stream)
    except Exception as error:
        return type(error).__name__, str(error)
    return "", ""


@pytest.mark.parametrize(
    "task, split, kind, words",
    [
        ("toy_redd", "train", "UnknownTaskError", "'toy_redd'; did you mean 'toy_red'?"),
        ("toy_red", "trian", "UnknownSplitError", "'toy_red' has no split 'trian'; did you mean"),
        ("toy_broken", "train", "MediaError", "missing.mp4: no such file (asked for by toy_broken"),
        ("toy_holed", "train", "MediaError", "no such file (asked for by toy_holed/train/3 row)"),
    ],
)
def test_errors_name_what_is_wrong(seqio_process, task, split, kind, words):
    got_kind, message = seqio_process(error_of, task, split)
    assert got_kind == kind
    assert words in message


def test_where_all_media_are_missing_skipping_them_ends(seqio_process):
    kind, message = seqio_process(error_of, "toy_broken", "train", True)
    assert kind == "BrokenMediaError"
    assert "21 of the 21 clips that a data worker tried are missing or broken" in message
    assert "missing.mp4: no such file" in message
    assert "at most a share of 0.2" in message


def take_holed(first: int, count: int, host: int = 0, hosts: int = 1) -> tuple[list, dict]:
    """Returns the prompts of batches, and the broken files; runs beside seqio."""
    stream = training_batches(
        [Stage("toy_holed")],
        "train",
        converter(cache_bytes=10**7),
        4,
        0,
        workers=0,
        task_modules=MODULES,
        first_batch=first,
        host=host,
        hosts=hosts,
    )
    return [prompts(next(stream)) for _ in range(count)], stream.account.files


def test_another_clip_stands_in_for_a_broken_one(seqio_process):
    whole, files = seqio_process(take_holed, 0, 12)  # 48 clips: six epochs of eight.
    assert list(files.values()) == ["no such file"]
    assert [Path(path).name for path in files] == ["missing.mp4"]
    assert [len(batch) for batch in whole] == [4] * 12
    seen = clips(whole)
    assert "3" not in seen
    extra = {number: seen.count(str(number)) - 6 for number in (0, 1, 2, 4, 5, 6, 7)}
    assert min(extra.values()) == 0 and sum(extra.values()) == 6
    assert sum(count > 0 for count in extra.values()) > 1  # Not always the same one.


def test_resuming_beside_broken_media_gives_the_same_batches(seqio_process):
    whole, _ = seqio_process(take_holed, 0, 12)
    for first in (1, 5, 8):
        assert seqio_process(take_holed, first, 3)[0] == whole[first : first + 3]
    halves = [seqio_process(take_holed, 0, 12, host, 2)[0] for host in (0, 1)]
    assert [left + right for left, right in zip(*halves, strict=True)] == whole


def evaluate_holed(batch_size: int) -> tuple[list[str], int, int, int]:
    """Returns ids asked in two passes, and what was left out; runs beside seqio."""
    stream = evaluation_batches(
        "toy_holed", "validation", converter(), batch_size, workers=0, task_modules=MODULES
    )
    passes = [[q.id for _, clips in stream for clip in clips for q in clip.questions]]
    first = stream.account.left_out
    passes.append([q.id for _, clips in stream for clip in clips for q in clip.questions])
    assert passes[0] == passes[1]
    return passes[0], first, stream.account.left_out, len(stream.account.files)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_evaluation_leaves_out_and_counts_what_is_broken(seqio_process, batch_size):
    ids, first, second, files = seqio_process(evaluate_holed, batch_size)
    assert len(ids) == len(set(ids)) == 14 - 2
    assert not [name for name in ids if "/3/" in name]
    assert (first, second, files) == (2, 2, 1)
