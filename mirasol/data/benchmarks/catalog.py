"""Every public set that has a reader, by name."""

from __future__ import annotations

from mirasol.data.benchmarks.activitynet_qa import ACTIVITYNET_QA
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.epic_sounds import EPIC_SOUNDS
from mirasol.data.benchmarks.howto100m import HOWTO100M
from mirasol.data.benchmarks.internvid import INTERNVID
from mirasol.data.benchmarks.kinetics_sounds import KINETICS_SOUNDS, KINETICS_SOUNDS_31
from mirasol.data.benchmarks.nextqa import NEXTQA_MC, NEXTQA_MC_QUESTION, NEXTQA_OE
from mirasol.data.benchmarks.question_json import MSRVTT_QA, MSVD_QA
from mirasol.data.benchmarks.valor_vast import VALOR, VAST
from mirasol.data.benchmarks.vggsound import VGGSOUND
from mirasol.data.benchmarks.webvid import WEBVID

EVALUATED = (
    MSRVTT_QA,
    MSVD_QA,
    ACTIVITYNET_QA,
    NEXTQA_MC,
    NEXTQA_OE,
    VGGSOUND,
    EPIC_SOUNDS,
    KINETICS_SOUNDS,
)
VARIANTS = (NEXTQA_MC_QUESTION, KINETICS_SOUNDS_31)
PRETRAINING = (WEBVID, HOWTO100M, INTERNVID, VALOR, VAST)
BENCHMARKS: dict[str, Benchmark] = {
    each.name: each for each in (*EVALUATED, *VARIANTS, *PRETRAINING)
}
