"""Parts put together on the meta device: what does not fit is told, and by whom."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from mirasol import config, rehearsal
from mirasol.data.batches import Stage
from mirasol.data.vocabulary import ByteVocabulary
from mirasol.findings import ExperimentError
from tests.models.builders import SHAPE, build_model

OWN = """
from mirasol.models.pooling import MeanPoolCombiner


class Pool(MeanPoolCombiner):
    def forward(self, tokens_BTND, valid_BTN):
        return super().forward(tokens_BTND.view(3, -1, 7), valid_BTN)
"""
OWN_GIN = """
from __gin__ import dynamic_registration
import own_combiner
from mirasol.models import mirasol3b

mirasol3b.Mirasol.combiner = @own_combiner.Pool()
own_combiner.Pool.out_tokens = 8
"""


class Unhashable(ByteVocabulary):
    """One that is compared by what it holds, as a dataclass is."""

    def __eq__(self, other):
        return type(other) is type(self)

    __hash__ = None


def test_a_vocabulary_needs_no_hash():
    decoder = build_model().text_decoder
    (attempt,) = rehearsal.without_batch([decoder, Unhashable()])
    with pytest.raises(ValueError, match=r"TextDecoder\.vocab_size is 23"):
        attempt()


def test_what_torch_says_to_a_combiner_of_ones_own_has_its_place(monkeypatch, tmp_path):
    (tmp_path / "own_combiner.py").write_text(OWN)
    (tmp_path / "own.gin").write_text(OWN_GIN)
    monkeypatch.syspath_prepend(tmp_path)
    own = str(tmp_path / "own.gin")
    with pytest.raises(ExperimentError) as caught:  # The decoder's heads leave no whole model.
        config.check(["runs/av_shapes_tiny.gin", own], ["DECODER_HEADS = 7"])
    found = [each for each in caught.value.findings if "Pool: does not fit" in each.message]
    (finding,) = found
    assert finding.place == f"{own} line 7"


@pytest.mark.parametrize(
    ("stage", "chunks", "examples"),
    [
        (Stage("all"), 3, 2),
        (Stage("all", batch_size=5), 3, 5),
        (Stage("parts", chunk_questions=2), 1, 12),
    ],
)
def test_a_stage_is_tried_with_its_own_examples_and_few_chunks(stage, chunks, examples):
    tried = []
    shape = dataclasses.replace(SHAPE, chunks=6)
    rehearsal.try_batches(tried.append, [stage], shape, batch_size=2)
    (batch,) = tried
    assert batch.video_BTFHWC.shape[:2] == (examples, chunks)


FAULTS = {
    "in the module": ("tokens = [", "module 'own_combiner' cannot be imported: SyntaxError: "),
    "in its imports": ("import torchvisoin", "No module named 'torchvisoin'"),
    "in building": ("", "Pool: NameError: name 'wdth' is not defined"),
    "in running": ("", "AttributeError: 'Pool' object has no attribute 'gone'"),
}
METHODS = {
    "in building": "    def __init__(self, **own):\n        super().__init__(**own, a=wdth)\n",
    "in running": "    def forward(self, tokens_BTND, valid_BTN):\n        return self.gone\n",
}


@pytest.mark.parametrize("where", FAULTS)
def test_a_fault_in_somebodys_code_is_a_finding_with_its_line(monkeypatch, tmp_path, where):
    first, said = FAULTS[where]
    head = OWN.partition("    def")[0]
    (tmp_path / "own_combiner.py").write_text(first + head + METHODS.get(where, "    pass\n"))
    (tmp_path / "own.gin").write_text(OWN_GIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_combiner", raising=False)
    with pytest.raises(ExperimentError) as caught:
        config.check(["runs/av_shapes_tiny.gin", str(tmp_path / "own.gin")], ["SEED = -1"])
    sys.modules.pop("own_combiner", None)
    told = [each.message for each in caught.value.findings]
    (message,) = [each for each in told if said in each]
    assert f"{tmp_path / 'own_combiner.py'} line " in message
    assert any("Trainer.seed is -1" in each for each in told)  # It hides nothing else.
