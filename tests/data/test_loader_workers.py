"""Batches that real worker processes make, of a process that is no test: this file, run."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest
from streams import MODULES, blind, converter, evaluate, prompts, take

from mirasol.data.broken_media import Stop
from mirasol.data.loader import Stage, WorkerDiedError, evaluation_batches, training_batches
from mirasol.data.media import MediaError


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
