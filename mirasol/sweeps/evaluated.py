"""What a sweep asks of the evaluations of its trials: metrics, and a step to stop early at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mirasol.evaluation.metric_names import metric_names, unknown_metric
from mirasol.experiment import Experiment
from mirasol.findings import ExperimentError, Finding
from mirasol.spelling import closest, hint
from mirasol.sweeps.plan import Sweep
from mirasol.training.hooks import is_due


def require_evaluated(sweep: Sweep, experiment: Experiment) -> None:
    """Raises ExperimentError unless a trial is evaluated for all that the sweep judges it by.

    Args:
      sweep: with its metrics and its rule of early stopping.
      experiment: of a trial.
    """
    tasks, trainer = experiment.evaluation.tasks, experiment.trainer
    rule = sweep.early_stop
    asked = [*sweep.metrics, *([rule.metric] if rule else [])]
    if unknown := [said for each in asked for said in _unknown_metric(each, tasks)]:
        raise ExperimentError(Finding("", said) for said in unknown)
    if rule and rule.step >= trainer.steps:
        said = (
            f"early_stop looks at step {rule.step}, and the base run ends at {trainer.steps}: "
            "nothing would be left to stop; give it an earlier step, or bind more TRAIN_STEPS"
        )
        raise ExperimentError([Finding("", said)])
    if rule and not is_due(rule.step, trainer.evaluate_every, trainer.steps):
        said = (
            f"early_stop looks at step {rule.step}, and the base run evaluates every "
            f"{trainer.evaluate_every} steps: bind EVAL_EVERY, or another step"
        )
        raise ExperimentError([Finding("", said)])


def _unknown_metric(metric: str, tasks: Sequence[str]) -> Iterator[str]:
    """Yields what is wrong with "task/metric", if anything is."""
    task = next((each for each in tasks if metric.startswith(f"{each}/")), None)
    if task is None:
        near = hint(_nearest_metric(metric, tasks))
        yield f"metric {metric!r}: the base run evaluates {', '.join(tasks)}{near}"
    elif wrong := unknown_metric(task, metric.removeprefix(f"{task}/"), before=f"{task}/"):
        yield f"metric {metric!r}: {wrong}"


def _nearest_metric(metric: str, tasks: Sequence[str]) -> str:
    """Returns "task/metric" that looks most like one whose task there is not, "" for none."""
    given, _, name = metric.partition("/")
    right = closest(given, tasks)
    near = f"{right}/{name}" if right else ""
    if right and not unknown_metric(right, name):
        return near
    names = [f"{task}/{each}" for task in tasks for each in metric_names().get(task, ())]
    return closest(metric, names) or near
