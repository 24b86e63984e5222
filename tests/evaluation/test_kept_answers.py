"""What an evaluation keeps: whole, readable from elsewhere, and not in memory."""

import multiprocessing
import tracemalloc
from concurrent.futures import ProcessPoolExecutor

import pytest

from mirasol.data.references import ClipReference, Question
from mirasol.evaluation.evaluator import evaluate
from mirasol.evaluation.kept_answers import KeptAnswers, Spool
from mirasol.evaluation.metrics import exact_match_by_type
from mirasol.evaluation.predictions import Answerer, Prediction

ROWS = [{"answer": "dès", "times": [1.5, None]}, {}, {"answer": "ring", "references": ["hoop"]}]


@pytest.fixture
def spool(tmp_path):
    with Spool(tmp_path / "rows") as spool:
        for row in ROWS:
            spool.append(row)
        yield spool


def test_a_spool_reads_as_a_list_does(spool):
    assert list(spool) == ROWS
    assert spool[-1] == ROWS[-1]
    assert spool[1:] == ROWS[1:]
    assert len(spool) == 3
    with pytest.raises(IndexError):
        spool[3]


def test_a_spool_goes_on_after_it_was_read(spool):
    assert spool[0] == ROWS[0]
    spool.append("more")
    assert list(spool) == [*ROWS, "more"]


def test_another_process_reads_the_same_spool(spool):
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(list, spool).result() == ROWS


def test_nothing_stays_behind(tmp_path):
    with KeptAnswers(tmp_path, None) as answers:
        assert list(tmp_path.iterdir())
        assert answers.class_scores is None
    assert not list(tmp_path.iterdir())


class Parrot(Answerer):
    classes = None

    def __call__(self, batch, clips):
        return [[Prediction(clip, clip.questions[0], "ring")] for clip in clips]


def test_memory_does_not_grow_with_the_split(tmp_path):
    """A row in memory takes a kilobyte; one on disk some bytes, and its clip a name, in metrics."""
    few, many = (_peak_bytes(tmp_path, count) for count in (1_000, 4_000))
    assert (many - few) / 3_000 < 250


def _peak_bytes(folder, count):
    tracemalloc.start()
    try:
        metrics = evaluate(
            answer=Parrot(),
            batches=((None, [_clip(number)]) for number in range(count)),
            score=exact_match_by_type,
            task="toy",
            split="test",
            step=1,
            directory=folder,
            total=None,
        )
        assert metrics["num_examples"] == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _clip(number):
    row = {"answer": "ring", "type": "", "video_id": f"{number // 4}"}
    row["long"] = f"{number} " * 100
    return ClipReference("x.mp4", 0.0, 1.0, (Question("1", "what", "ring", "", row),), "row 1")
