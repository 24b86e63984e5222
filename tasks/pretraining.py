"""Sets for pre-training: texts about clips.

    webvid, howto100m, internvid, valor, vast
    pretraining   their mixture, each as often as the others: give rates of your own in a mixture of
                  your own

Files lie in `MIRASOL_DATA/<task>` (docs/benchmarks.md). Every member of a mixture must be there.
"""

from __future__ import annotations

from mirasol.data.benchmarks.catalog import PRETRAINING
from mirasol.data.benchmarks.registration import register
from mirasol.data.source import import_seqio

seqio = import_seqio()

for _benchmark in PRETRAINING:
    register(_benchmark)
seqio.MixtureRegistry.add("pretraining", [each.name for each in PRETRAINING], default_rate=1.0)
