import re
from pathlib import Path

import pytest
import torch

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import model_state, training_state

PAGE = Path(__file__).parents[2] / "docs" / "checkpoints.md"
PLAIN, SAVING, PART, BUCKET = re.findall(
    r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
)


def test_plain_tensorstore_opens_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture):
    weight = torch.tensor([[1.5, -2.0], [0.0, 3.0]], dtype=torch.bfloat16)
    CheckpointManager(tmp_path).save(500, {"model": {"weight": weight}, "step": 500})
    assert "mirasol" not in PLAIN
    exec(PLAIN.replace("/runs/demo/checkpoints", str(tmp_path)), {})
    text = capsys.readouterr().out
    assert text.startswith('model.weight dtype("bfloat16") (2, 2) [[1.5 -2]')


def a_training(workdir: Path) -> dict:
    """Returns the names that the page takes for granted."""
    model = torch.nn.Linear(2, 1)
    return {
        "CheckpointManager": CheckpointManager,
        "training_state": training_state,
        "model_state": model_state,
        "workdir": workdir,
        "model": model,
        "optimizer": torch.optim.AdamW(model.parameters()),
        "step": 500,
    }


def test_the_page_saves_and_restores(tmp_path: Path):
    names = a_training(tmp_path)
    exec(SAVING + PART, names)
    assert names["values"] == {"step": 500}
    assert (tmp_path / "checkpoints" / "step_00000500").is_dir()


def test_the_page_writes_to_a_store_and_reads_from_it(tmp_path: Path):
    names = a_training(tmp_path)
    exec(BUCKET.replace("s3://bucket", f"file://{tmp_path}"), names)
    assert names["report"].step == 500
    (folder,) = (path for path in tmp_path.glob("demo/checkpoints/*") if "." not in path.name)
    assert (folder / "manifest.json").is_file()
