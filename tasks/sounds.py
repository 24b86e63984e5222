"""Sets of classes that are heard and seen: VGG-Sound, EPIC-Sounds, Kinetics-Sounds.

The class is asked for as a question and answered as text; where the experiment chooses its answers
(`decoding/choosing.gin`), every class gets a score and the ranking metrics come on top.
Files lie in `MIRASOL_DATA/<task>` (docs/benchmarks.md); `kinetics_sounds_31` shares its folder with
`kinetics_sounds`.
"""

from __future__ import annotations

from mirasol.data.benchmarks.epic_sounds import EPIC_SOUNDS
from mirasol.data.benchmarks.kinetics_sounds import KINETICS_SOUNDS, KINETICS_SOUNDS_31
from mirasol.data.benchmarks.registration import register
from mirasol.data.benchmarks.vggsound import VGGSOUND
from mirasol.evaluation.class_scores import class_answers, class_score_metrics

for _benchmark in (VGGSOUND, EPIC_SOUNDS, KINETICS_SOUNDS, KINETICS_SOUNDS_31):
    register(_benchmark, [class_answers, class_score_metrics])
