"""A sweep's trials as commands, a Slurm script or Kubernetes objects, for machines elsewhere.

Each command stands alone: shipped gin files and flags, run from a checkout or an installation of
the same code. Neither the script nor the manifest has been run on a cluster.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mirasol.sweeps.plan import told
from mirasol.sweeps.planning import Planned
from mirasol.sweeps.records import trial_folder


def arguments(trial: Planned, folder: Path, runtime: str, identity: str) -> list[str]:
    """Returns the words of the command that trains a trial.

    Args:
      trial: of the plan.
      folder: of the sweep, as it is called there.
      runtime: of the command.
      identity: id of the trial, which names its folder.
    """
    bound = [(name.strip(), value.strip()) for name, value in map(_halves, trial.bindings)]
    return [
        "python",
        "-m",
        "mirasol",
        "train",
        *(f"--gin_file={file}" for file in trial.files),
        *(f"--gin.{name}={value}" for name, value in bound),
        f"--workdir={trial_folder(folder, identity) / 'workdir'}",
        f"--runtime={runtime}",
    ]


def commands(named: Sequence[tuple[Planned, list[str]]]) -> str:
    """Returns a commented command line a trial."""
    lines = []
    for trial, words in named:
        lines += [f"# {_title(trial)}", shlex.join(words)]
    return "\n".join(lines)


def slurm_script(
    name: str, folder: Path, named: Sequence[tuple[Planned, list[str]]], at_once: int
) -> str:
    """Returns a batch script: one array, one task a trial, run in the current folder."""
    here = Path.cwd()
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name={name}",
        f"#SBATCH --array=0-{len(named) - 1}%{at_once}",
        f"#SBATCH --chdir={shlex.quote(str(here))}",
        f"#SBATCH --output={shlex.quote(str(here / folder / 'slurm-%A_%a.txt'))}",
        # B: to the batch shell, in whose place the training stands; without it, to steps alone.
        "#SBATCH --signal=B:TERM@120",
        "#SBATCH --requeue",
        "# To be added, or given to sbatch: --time, --partition, --gpus and such of the cluster.",
        "# A task that is requeued goes on from its newest checkpoint; python is the one of the",
        "# environment in which sbatch is called.",
        "set -euo pipefail",
        'case "$SLURM_ARRAY_TASK_ID" in',
    ]
    for number, (trial, words) in enumerate(named):
        lines += [f"  {number})  # {_title(trial)}", f"    exec {shlex.join(words)} ;;"]
    return "\n".join([*lines, "esac", ""])


def kubernetes(name: str, named: Sequence[tuple[Planned, list[str]]], image: str) -> str:
    """Returns a list of JobSets as XPK makes them, one a trial, in JSON, which YAML includes.

    Accelerators, volumes and queues are the cluster's own: they are added by hand, or by
    `xpk workload create --command`, which takes a line of `commands`.
    """
    items = [
        _job_set(f"{name.replace('_', '-')}-{trial.id}", trial, words, image)
        for trial, words in named
    ]
    manifest = {"apiVersion": "v1", "kind": "List", "items": items}
    return json.dumps(manifest, indent=2) + "\n"


def _job_set(name: str, trial: Planned, words: list[str], image: str) -> dict[str, Any]:
    container = {"name": "train", "image": image, "command": words}
    pod = {"restartPolicy": "Never", "containers": [container]}
    job = {"backoffLimit": 0, "template": {"spec": pod}}
    replicated = [{"name": "train", "replicas": 1, "template": {"spec": job}}]
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {
            "name": name.lower(),
            "annotations": {"mirasol/trial": _title(trial)},
        },
        # A pod that a cluster takes away begins again, and goes on from its checkpoint.
        "spec": {"failurePolicy": {"maxRestarts": 4}, "replicatedJobs": replicated},
    }


def _title(trial: Planned) -> str:
    return f"{trial.id} {told(trial.variant)} seed {trial.seed}"


def _halves(binding: str) -> tuple[str, str]:
    name, _, value = binding.partition("=")
    return name, value
