"""What trials cost: operations, counted on the meta device, and seconds where a rate is known."""

from __future__ import annotations

from collections.abc import Sequence

from mirasol.batch import empty_batch
from mirasol.description.operations import train_flops
from mirasol.experiment import Experiment
from mirasol.sweeps.plan import Variant
from mirasol.sweeps.records import TrialRecord


def operations(experiment: Experiment) -> int:
    """Returns the operations of all training steps, forward and backward."""
    model = experiment.build_model("meta")
    data, whole = experiment.training, experiment.converter.shape
    total, first = 0, 0
    for stage in data.stages:
        last = experiment.trainer.steps if stage.batches is None else first + stage.batches
        steps = max(0, min(last, experiment.trainer.steps) - first)
        shape = stage.shape(whole)
        each = train_flops(model, empty_batch(shape, 1, "meta"))
        model.zero_grad()
        total += steps * stage.examples(data.batch_size, whole) * each
        first = last
    return total


def seconds(
    variant: Variant,
    own_operations: int,
    done: Sequence[tuple[Variant, TrialRecord]],
    known_operations: Sequence[tuple[Variant, int]],
) -> tuple[float, str] | None:
    """Returns how long a trial may take and by what that is known; None where nothing is done.

    Args:
      variant: of the trial.
      own_operations: of the trial.
      done: finished trials of the sweep, under the plan's labels of now.
      known_operations: of variants.
    """
    timed = [(labels, each.seconds) for labels, each in done if not each.seconds_incomplete]
    same = [took for labels, took in timed if labels == variant]
    if same:
        return sum(same) / len(same), "as another seed took"
    counts = {tuple(sorted(labels.items())): count for labels, count in known_operations}
    pairs = [
        (took, counts[key])
        for labels, took in timed
        if (key := tuple(sorted(labels.items()))) in counts
    ]
    if not pairs:
        return None
    rate = sum(count for _, count in pairs) / sum(took for took, _ in pairs)
    return own_operations / rate, "by the operations of trials that are done"
