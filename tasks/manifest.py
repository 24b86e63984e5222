"""A set of one's own, without Python: the task `manifest` (`mirasol/data/benchmarks/manifest.py`).

The manifest is named by MANIFEST in `runs/manifest.gin`, or by MIRASOL_MANIFEST.
"""

from __future__ import annotations

from mirasol.data.benchmarks.manifest import MANIFEST
from mirasol.data.benchmarks.registration import register
from mirasol.evaluation.question_answering import referenced_answers

register(MANIFEST, [referenced_answers])
