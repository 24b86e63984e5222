"""Mixtures of public sets.

    evaluation_suite   every benchmark of `question_answering` and `sounds`; its split `reported`
                       has of each set the split on which scores are reported

Its tasks have metrics of their own, so that scores are asked for task by task, as
`gin/runs/eval_suite.gin` does; the mixture is for reading and answering all of it in one go.
"""

from __future__ import annotations

from mirasol.data.benchmarks.catalog import EVALUATED
from mirasol.data.source import import_seqio

seqio = import_seqio()

seqio.MixtureRegistry.add("evaluation_suite", [each.name for each in EVALUATED], default_rate=1.0)
