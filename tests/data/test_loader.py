"""Which clips and questions come in which order; batches run beside seqio with workers=0."""

from __future__ import annotations

import numpy as np
import pytest
from streams import MODULES, RED, blind, clips, converter, evaluate, take

from mirasol.data.augmentation import HorizontalFlip, RandomResizedCrop, SpecAugment
from mirasol.data.loader import Stage, evaluation_batches, training_batches


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


def evaluate_shared(host: int) -> list:
    """Returns the questions of one of two hosts, batch by batch; runs beside seqio."""
    batches = evaluation_batches(
        "toy_both", "validation", blind(), 4, workers=0, host=host, hosts=2, task_modules=MODULES
    )
    return [[[q.id for q in ref.questions] for ref in references] for _, references in batches]


def test_hosts_take_turns_in_evaluation(seqio_process):
    whole = [references for _, references in seqio_process(evaluate, "toy_both")]
    assert [seqio_process(evaluate_shared, host) for host in (0, 1)] == [whole[::2], whole[1::2]]


def test_evaluation_of_a_part_takes_whole_clips_from_every_task(seqio_process):
    batches = seqio_process(evaluate, "toy_both", 4)
    ids = [name for _, references in batches for example in references for name in example]
    assert {name.rsplit("/", 1)[0] for name in ids} == {
        f"{task}/validation/{number}" for task in ("toy_red", "toy_blue") for number in (0, 1)
    }


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
