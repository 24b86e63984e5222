"""The tests run batches beside seqio with workers=0; one runs the real worker processes."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mirasol.batch import ExampleShape
from mirasol.data.augmentation import HorizontalFlip, RandomResizedCrop, SpecAugment
from mirasol.data.broken_media import Skip, Stop
from mirasol.data.converter import Converter
from mirasol.data.loader import Stage, WorkerDiedError, evaluation_batches, training_batches
from mirasol.data.media import MediaError
from mirasol.data.spectrogram import LogMel
from mirasol.data.vocabulary import ByteVocabulary

MODULES = ("toy_tasks",)
SHAPE = ExampleShape(
    chunks=2,
    chunk_frames=4,
    image_size=16,
    chunk_bands=8,
    mel_bins=16,
    questions=2,
    prompt_length=12,
    answer_length=4,
)
RED = (Stage("toy_red"),)


def converter(**options) -> Converter:
    return Converter(SHAPE, ByteVocabulary(), 25.0, LogMel(mel_bins=16), **options)


def blind() -> Converter:
    """Returns a converter that opens no file: enough where clips are told by their questions."""
    return converter(video=False, audio=False)


def prompts(batch) -> list[list[str]]:
    """Returns the prompts of each example, such as "clip 7 0?"."""
    decode = ByteVocabulary().decode
    return [
        [decode(prompt) for prompt, real in zip(prompt_QP, question_Q, strict=True) if real]
        for prompt_QP, question_Q in zip(
            batch.prompt_BQP.tolist(), batch.question_BQ.tolist(), strict=True
        )
    ]


def take(count: int, stages=RED, batch_size=4, seed=0, **options) -> list:
    """Returns the prompts of `count` batches; runs beside seqio."""
    stream = training_batches(
        stages, "train", blind(), batch_size, seed, workers=0, task_modules=MODULES, **options
    )
    return [prompts(next(stream)) for _ in range(count)]


def evaluate(task: str, max_clips=None, batch_size=4) -> list:
    """Returns (prompts, ids of the references' questions) of every batch; runs beside seqio."""
    stream = evaluation_batches(
        task, "validation", blind(), batch_size, max_clips, workers=0, task_modules=MODULES
    )
    return [
        (prompts(batch), [[question.id for question in clip.questions] for clip in clips])
        for batch, clips in stream
    ]


def clips(batches: list) -> list[str]:
    """Returns the clip's number of each example."""
    return [example[0].split(" ")[1] for batch in batches for example in batch]


def test_resuming_gives_the_same_batches(seqio_process):
    whole = seqio_process(take, 9)
    for first in (1, 5, 7):
        assert seqio_process(take_from, first, 2) == whole[first : first + 2]


def take_from(first: int, count: int, stages=RED) -> list:
    return take(count, stages, first_batch=first)


def test_each_epoch_is_whole_and_newly_shuffled(seqio_process):
    seen = clips(seqio_process(take, 5))  # 20 clips: two epochs of 10.
    assert sorted(seen[:10]) == sorted(seen[10:]) == [str(number) for number in range(10)]
    assert seen[:10] != seen[10:]


def take_seed(seed: int) -> list:
    return take(3, seed=seed)


def take_in_order() -> list:
    return take(5, shuffle=False)


def test_the_order_follows_the_seed(seqio_process):
    assert seqio_process(take_seed, 1) == seqio_process(take_seed, 1)
    assert seqio_process(take_seed, 1) != seqio_process(take_seed, 2)


def test_order_can_be_the_tasks_own(seqio_process):
    assert clips(seqio_process(take_in_order)) == [str(number) for number in range(10)] * 2


def test_questions_are_drawn_anew_and_balanced(seqio_process):
    batches = seqio_process(take, 50)
    examples = [example for batch in batches for example in batch]
    assert all(len(set(example)) == 2 for example in examples)
    drawn = {tuple(sorted(example)) for example in examples if example[0].startswith("clip 5 ")}
    # Clip 5 has three of one type and one rare one, which is in every draw.
    assert drawn == {(f"clip 5 {number}?", "clip 5 3?") for number in range(3)}


def take_host(host: int) -> list:
    return take(4, host=host, hosts=2)


def test_hosts_share_the_global_batch(seqio_process):
    whole = seqio_process(take, 4)
    halves = [seqio_process(take_host, host) for host in (0, 1)]
    assert [left + right for left, right in zip(*halves, strict=True)] == whole


CURRICULUM = (Stage("toy_red", 2), Stage("toy_blue", 1), Stage("toy_both"))


def take_tasks(first: int, count: int) -> list:
    """Returns the task of each batch, told by its clips' origin, of a three-stage curriculum."""
    from mirasol.data import source

    names = []
    order = source.training_order

    def noting(task, *arguments):
        names.append(task)
        return order(task, *arguments)

    source.training_order = noting
    try:
        return [take_from(first, count, CURRICULUM), names]
    finally:
        source.training_order = order


def test_a_curriculum_changes_task_at_the_batch_it_names(seqio_process):
    whole, tasks = seqio_process(take_tasks, 0, 5)
    assert tasks == ["toy_red", "toy_blue", "toy_both"]
    assert whole[:2] == seqio_process(take, 2)
    for first, expected in [(1, tasks), (2, tasks[1:]), (3, tasks[2:]), (4, tasks[2:])]:
        batches, names = seqio_process(take_tasks, first, 5 - first)
        assert batches == whole[first:]
        assert names[0] == expected[0]


def mixed_tasks(count: int) -> list[str]:
    """Returns the tasks of a mixture's first references; runs beside seqio."""
    from mirasol.data import source
    from mirasol.data.references import ClipReference

    order = source.training_order("toy_both", "train", 0, task_modules=MODULES)
    references = [ClipReference.from_features(order.at(number)) for number in range(count)]
    return [reference.origin.split("/")[0] for reference in references]


def test_a_mixture_keeps_to_its_rates(seqio_process):
    tasks = seqio_process(mixed_tasks, 400)
    assert tasks.count("toy_red") == pytest.approx(300, abs=40)
    assert tasks.count("toy_blue") == pytest.approx(100, abs=40)


@pytest.mark.parametrize("task, members", [("toy_red", 1), ("toy_both", 2)])
def test_evaluation_asks_every_question_once(seqio_process, task, members):
    batches = seqio_process(evaluate, task)
    ids = [name for _, references in batches for example in references for name in example]
    # Five clips with 1, 2, 3, 1, 2 questions and a rare one each.
    assert len(ids) == len(set(ids)) == 14 * members
    for asked, references in batches:
        assert len(asked) == 4
        for example, questions in zip(asked, references, strict=False):
            assert [text.split(" ")[2] for text in example] == [
                f"{name.split('/')[-1]}?" for name in questions
            ]
        assert not any(asked[len(references) :])  # What fills the last batch asks nothing.
    assert all(len(references) == 4 for _, references in batches[:-1])


def test_evaluation_of_a_part_takes_whole_clips_from_every_task(seqio_process):
    batches = seqio_process(evaluate, "toy_both", 4)
    ids = [name for _, references in batches for example in references for name in example]
    assert {name.rsplit("/", 1)[0] for name in ids} == {
        f"{task}/validation/{number}" for task in ("toy_red", "toy_blue") for number in (0, 1)
    }


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


def take_many(first: int, count: int, host: int = 0, hosts: int = 1) -> list:
    """Returns batches of the mixture of long sets; runs beside seqio."""
    return take(count, [Stage("toy_many_both")], first_batch=first, host=host, hosts=hosts)


def test_resuming_far_on_is_the_same_on_any_hosts(seqio_process):
    first = 200_000 // 4
    ahead = seqio_process(take_many, first - 2, 4)
    assert len({tuple(example) for batch in ahead for example in batch}) == 16
    assert seqio_process(take_many, first, 2) == ahead[2:]
    halves = [seqio_process(take_many, first, 2, host, 2) for host in (0, 1)]
    assert [left + right for left, right in zip(*halves, strict=True)] == ahead[2:]


AUGMENTED = (RandomResizedCrop(least_area=0.2), HorizontalFlip(), SpecAugment())


def pixels(first: int, augmented: bool) -> list:
    """Returns pictures and sound of two batches; runs beside seqio."""
    stream = training_batches(
        RED,
        "train",
        converter(cache_bytes=10**7),
        4,
        0,
        workers=0,
        first_batch=first,
        augmentations=AUGMENTED if augmented else (),
        task_modules=MODULES,
    )
    batches = [next(stream) for _ in range(8 - first)]
    return [(batch.video_BTFHWC.numpy(), batch.audio_BTAS.numpy()) for batch in batches[-2:]]


def test_a_resumed_run_is_augmented_alike(seqio_process):
    plain, whole, resumed = (
        seqio_process(pixels, *arguments) for arguments in [(0, False), (0, True), (6, True)]
    )
    for (_, sound), (_, masked) in zip(plain, whole, strict=True):
        changed = sound != masked
        assert changed.any() and not masked[changed].any()
    for one, other in zip(whole, resumed, strict=True):
        assert all(map(np.array_equal, one, other))


@pytest.mark.parametrize(
    "options, words",
    [
        ({"stages": []}, "last stage must have batches=None"),
        ({"stages": [Stage("a", 3)]}, "last stage must have batches=None"),
        (
            {"stages": [Stage("a"), Stage("b")]},
            "every stage but the last needs",
        ),
        (
            {"batch_size": 3, "hosts": 2},
            r"batch sizes \[3\] must be above 0 and multiples",
        ),
        ({"host": 1}, r"host 1 one of 0\.\.0"),
        ({"first_batch": -1}, "first_batch is -1"),
        ({"workers": -1}, "workers is -1"),
    ],
)
def test_bad_numbers_are_refused_at_once(options, words):
    arguments = {"stages": RED, "split": "train", "batch_size": 2, "seed": 0} | options
    with pytest.raises(ValueError, match=words):
        training_batches(converter=blind(), **arguments)


def main() -> None:
    """Prints what real worker processes give; run by the test below as a training process."""
    batches, brightness = [], []
    stages = (Stage("toy_red", 5), Stage("toy_broken"))
    stream = training_batches(
        stages,
        "train",
        converter(cache_bytes=10**7),
        4,
        0,
        workers=2,
        task_modules=MODULES,
        broken_media=Stop(),
    )
    try:
        for batch in stream:
            batches.append(prompts(batch))
            brightness.append(batch.video_BTFHWC.float().mean(dim=(1, 2, 3, 4, 5)).tolist())
    except MediaError as error:
        broken = str(error)

    doomed = evaluation_batches("toy_red", "validation", blind(), 4, task_modules=MODULES)
    passes = [[prompts(batch) for batch, _ in doomed] for _ in range(2)]
    for worker in multiprocessing.active_children():
        os.kill(worker.pid, signal.SIGKILL)
    try:
        list(doomed)
    except WorkerDiedError as error:
        died = str(error)
    foreign = sorted({"tensorflow", "seqio"} & set(sys.modules))
    print(json.dumps([batches, brightness, broken, passes, died, foreign]))


def test_worker_processes_give_the_same_and_keep_tensorflow_to_themselves(toy_root, seqio_process):
    environment = os.environ | {"MIRASOL_DATA": str(toy_root)}
    command = [sys.executable, __file__]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    batches, brightness, broken, passes, died, foreign = json.loads(done.stdout)

    assert foreign == []
    assert batches == seqio_process(take, 5)  # Two workers against none.
    for examples, levels in zip(batches, brightness, strict=True):
        # Clip k shows frames k to k + 7, whose brightness is 30 + 8 * frame.
        numbers = [int(example[0].split(" ")[1]) for example in examples]
        assert levels == pytest.approx([30 + 8 * (number + 3.5) for number in numbers], abs=2)
    assert "missing.mp4: no such file (asked for by toy_broken/train/" in broken
    assert passes[0] == passes[1] == [asked for asked, _ in seqio_process(evaluate, "toy_red")]
    assert "a data worker process died" in died  # It had kept its process after the second pass.


if __name__ == "__main__":
    main()
