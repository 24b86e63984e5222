"""Stands in for a training: a step a moment, saved at once; goes on from what is saved.

python stand_in.py TRIAL_FOLDER STEPS SECONDS_A_STEP BEHAVIOUR

A second signal, half a second after the first or later, ends it at once, as it does a training.

"fail_once" fails in the middle of its first attempt, "die" always by SIGKILL, "hang" ignores
SIGTERM and never ends, "silent" ends with 0 and without its metric, "nan" with one that is null.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

SAME_SIGNAL_S = 0.5


def main(folder: Path, steps: int, pause_s: float, behaviour: str) -> int:
    stopping, told_s = [], []

    def stop(number, _):
        told_s.append(time.monotonic())
        if told_s[-1] - told_s[0] >= SAME_SIGNAL_S:
            os._exit(128 + number)
        stopping.append(number)

    signal.signal(signal.SIGTERM, stop)
    workdir = folder / "workdir"
    workdir.mkdir(exist_ok=True)
    metrics = workdir / "metrics.jsonl"
    first = len(metrics.read_text().splitlines()) if metrics.exists() else 0
    with (folder / "starts.txt").open("a") as file:
        file.write(f"{first}\n")
    for step in range(first + 1, steps + 1):
        if stopping:
            return 128 + stopping[0]
        time.sleep(pause_s)
        misbehave(folder, behaviour, step)
        with metrics.open("a") as file:
            line = {"step": step, "split": "validation", "task": "toy", "accuracy": step / steps}
            if behaviour == "silent" and step == steps:
                line = {"step": step, "split": "train", "loss": 0.0}
            if behaviour == "nan" and step == steps:
                line["accuracy"] = None
            file.write(json.dumps(line) + "\n")
    return 0


def misbehave(folder: Path, behaviour: str, step: int) -> None:
    if behaviour == "die" and step == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "hang" and step == 2:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    marker = folder / "failed_once"
    if behaviour == "fail_once" and step == 2 and not marker.exists():
        marker.touch()
        print("a reason that the log keeps", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
