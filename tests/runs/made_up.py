"""A training on made-up batches, without media, TensorFlow or other processes.

Batch i is a function of its number, as the real ones are; the model, the loop, the files and the
command are those of any run. Imported, it computes nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from types import SimpleNamespace

import torch

from mirasol import experiment, session, training_run
from mirasol.batch import EOS_ID, Batch, empty_batch
from mirasol.data import task_service
from mirasol.data.loader import Account
from mirasol.data.references import ClipReference, Question

CLIPS, ANSWERS = 4, 16
WAIT_S = 0.005  # For the data of a step.
RUN = """
from __gin__ import dynamic_registration
from mirasol import experiment
from mirasol.training import best

include 'runs/av_shapes_tiny.gin'
include 'decoding/sampling.gin'

BATCH_SIZE = 2
LOG_EVERY = 3
CHECKPOINT_EVERY = 4
EVAL_EVERY = 5
DROPOUT = 0.1
WIDTH = 24
HEADS = 1
VIDEO_WIDTH = 24
VIDEO_LAYERS = 1
VIDEO_HEADS = 1
AUDIO_WIDTH = 24
AUDIO_HEADS = 1
DECODER_WIDTH = 24
DECODER_LAYERS = 1
DECODER_HEADS = 1
RECONSTRUCTION_WIDTH = 24
RECONSTRUCTION_HEADS = 1
WARMUP_STEPS = 2

experiment.Trainer.keep_best = @best.Best()
experiment.Trainer.keep_every = 16
best.Best.task = 'av_shapes_tiny_joint'
best.Best.metric = 'num'
"""


def made_up_batch(shape, batch_size: int, number: int) -> Batch:
    generator = torch.Generator().manual_seed(number)
    batch = empty_batch(shape, batch_size)
    batch.video_BTFHWC.random_(0, 256, generator=generator)
    batch.audio_BTAS.normal_(generator=generator)
    batch.prompt_BQP.random_(3, 200, generator=generator)
    batch.answer_BQR.random_(3, 3 + ANSWERS, generator=generator)
    batch.answer_BQR[..., -1] = EOS_ID
    return batch


class MadeUpTraining:
    def __init__(
        self, *, converter, batch_size: int, first_batch: int, host: int, hosts: int, **rest
    ):
        self.shape, self.batch_size, self.number = converter.shape, batch_size, first_batch
        self.mine = slice(host * batch_size // hosts, (host + 1) * batch_size // hosts)
        self.account = Account()

    def __next__(self) -> Batch:
        time.sleep(WAIT_S)
        self.number += 1
        if self.number > 7:  # A file that turns out to be broken, and stays so.
            self.account.files["broken.mp4"] = "it is made up"
        batch = made_up_batch(self.shape, self.batch_size, self.number)
        return batch.map(lambda tensor: tensor[self.mine])

    def close(self) -> None:
        pass


class MadeUpEvaluation:
    def __init__(
        self, task, split, converter, batch_size, max_clips, workers, *, host, hosts, **rest
    ):
        self.converter, self.batch_size = converter, batch_size
        self.mine = range(host, CLIPS // batch_size, hosts)
        self.account = Account()

    def __iter__(self) -> Iterator[tuple[Batch, list[ClipReference]]]:
        for number in self.mine:
            batch = made_up_batch(self.converter.shape, self.batch_size, -1 - number)
            yield batch, [self._clip(answers_QR) for answers_QR in batch.answer_BQR]

    def _clip(self, answers_QR: torch.Tensor) -> ClipReference:
        texts = [self.converter.vocabulary.decode(ids_R) for ids_R in answers_QR.tolist()]
        asked = tuple(Question(str(i), "what", text, "", {}) for i, text in enumerate(texts))
        return ClipReference("made_up.mp4", None, None, asked, origin="")

    def close(self) -> None:
        pass


class MadeUpService(contextlib.AbstractContextManager):
    def describe(self, task):
        return SimpleNamespace(num_clips={"validation": CLIPS})

    def check(self, task, split):
        pass

    def prepare(self, task, split):
        return []

    def identity(self, task, split):
        return {}

    def classes(self, task):
        return None

    def score(self, task, targets, predictions):
        lengths = [len(prediction) for prediction in predictions]
        return {"num": sum(lengths) / len(lengths)}

    def close(self):
        pass

    def __exit__(self, *_):
        self.close()


def make_up() -> None:
    """Puts what is made up into the place of the data, for the rest of this process."""
    training_run.training_batches = MadeUpTraining
    session.evaluation_batches = MadeUpEvaluation
    session.TaskService = task_service.TaskService = MadeUpService
    experiment.logging.set_verbosity(experiment.logging.INFO)
