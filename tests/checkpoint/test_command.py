"""python -m mirasol checkpoint, on checkpoints with all that may be wrong with them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mirasol.__main__ import main
from mirasol.checkpoint.draft import Draft
from mirasol.checkpoint.manager import CheckpointManager


def make_state(step: int, **more: torch.Tensor) -> dict:
    weight = torch.arange(48.0).reshape(6, 8)
    return {
        "model": {"head": {"weight": weight + step / 4, "bias": torch.zeros(2)}, **more},
        "optimizer": {"head": {"weight": {"exp_avg": weight.bfloat16()}}},
        "step": step,
    }


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workdir with steps 4 and 8, and beside it one without checkpoints."""
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("demo").mkdir()
    for step in (4, 8):
        CheckpointManager("demo/checkpoints").save(step, make_state(step))
    return tmp_path


def folder_of(step: int) -> Path:
    return Path(f"demo/checkpoints/step_{step:08d}")


def run(capsys: pytest.CaptureFixture, *words: str) -> tuple[int, str]:
    code = main(["checkpoint", *words])
    return code, capsys.readouterr().out


def run_json(capsys: pytest.CaptureFixture, *words: str) -> tuple[int, dict]:
    code, out = run(capsys, *words, "--format=json")
    return code, json.loads(out)


def damage_array(folder: Path) -> None:
    """Makes zeros of model.head.weight, which the manifest alone does not notice."""
    step = int(folder.name.removeprefix("step_"))
    weight = make_state(step)["model"]["head"]["weight"].numpy().tobytes()
    (path,) = [path for path in folder.rglob("d/*") if weight in path.read_bytes()]
    path.write_bytes(path.read_bytes().replace(weight, bytes(len(weight))))


def test_ls_tells_what_each_folder_is(runs: Path, capsys: pytest.CaptureFixture):
    cut = folder_of(12)
    CheckpointManager("demo/checkpoints", keep=9).save(12, make_state(12))
    (cut / "arrays" / "manifest.ocdbt").write_bytes(b"")
    folder_of(16).mkdir()
    begun = Draft(folder_of(20))
    code, content = run_json(capsys, "ls", "demo")
    found = {each["step"]: each for each in content["checkpoints"]}
    assert code == 0
    assert {step: each["condition"] for step, each in found.items()} == {
        **{4: "complete", 8: "complete", 12: "damaged", 16: "incomplete", 20: "incomplete"},
    }
    assert [step for step, each in found.items() if each["newest"]] == [8]
    assert found[8]["bytes"] == sum(
        p.stat().st_size for p in folder_of(8).rglob("*") if p.is_file()
    )
    assert found[8]["saved"].startswith("20")
    assert found[12]["reason"].startswith("arrays/manifest.ocdbt has 0 bytes instead of ")
    assert found[16]["reason"] == "no manifest.json"
    assert found[20]["folder"] == str(begun.path)
    assert "is writing or removing it" in found[20]["reason"]

    code, out = run(capsys, "ls", "demo/checkpoints")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["step", "saved", "size", "condition"]
    assert [line[0] for line in lines[1:]] == ["4", "8", "12", "16", "20"]
    assert lines[2][-2:] == ["complete", "newest"]


def test_ls_names_what_was_set_aside(runs: Path, capsys: pytest.CaptureFixture):
    (folder_of(8) / "manifest.json").write_text("{}")
    CheckpointManager("demo/checkpoints").save(8, make_state(8))
    _, content = run_json(capsys, "ls", "demo", "--step=8")
    assert [each["condition"] for each in content["checkpoints"]] == ["complete", "damaged"]


def test_show_tells_arrays_parts_and_values(runs: Path, capsys: pytest.CaptureFixture):
    code, content = run_json(capsys, "show", "demo")
    assert code == 0
    assert content["folder"] == str(folder_of(8))
    assert content["arrays"]["model.head.weight"] == {
        **{"dtype": "float32", "shape": [6, 8], "bytes": 192},
    }
    assert content["parts"] == {
        "model": {"arrays": 2, "elements": 50, "bytes": 200},
        "model.head": {"arrays": 2, "elements": 50, "bytes": 200},
        "optimizer": {"arrays": 1, "elements": 48, "bytes": 96},
        "optimizer.head": {"arrays": 1, "elements": 48, "bytes": 96},
        "total": {"arrays": 3, "elements": 98, "bytes": 296},
    }
    assert content["values"] == {"step": 8}

    code, out = run(capsys, "show", str(folder_of(4)))
    lines = [line.split() for line in out.splitlines()]
    assert ["model.head.weight", "float32", "[6,", "8]", "192", "B"] in lines
    assert ["total", "3", "98", "296", "B"] in lines
    assert ["step", "=", "4"] in lines


def test_show_passes_over_what_is_damaged_and_says_so(runs: Path, capsys: pytest.CaptureFixture):
    (folder_of(8) / "manifest.json").unlink()
    assert main(["checkpoint", "show", "demo"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{folder_of(4)}, saved 20")
    assert err == f"mirasol: passing over {folder_of(8)}: no manifest.json\n"
    assert main(["checkpoint", "show", "demo", "--step=8"]) == 2
    assert "no complete checkpoint: no manifest.json" in capsys.readouterr().err


def test_diff_tells_what_differs(runs: Path, capsys: pytest.CaptureFixture):
    other = make_state(8, extra=torch.ones(1))
    other["model"]["head"]["bias"] = torch.zeros(3)
    CheckpointManager("other").save(8, other)
    code, content = run_json(capsys, "diff", "demo", "other", "--step=8")
    assert code == 1
    assert not content["same"]
    assert (content["only_a"], content["only_b"]) == ([], ["model.extra"])
    assert content["changed"] == {"model.head.bias": {"a": "float32[2]", "b": "float32[3]"}}
    assert all(each["bit_equal"] for each in content["arrays"].values())

    code, out = run(capsys, "diff", str(folder_of(4)), str(folder_of(8)))
    assert code == 1
    assert "Largest absolute difference\n  model.head.weight  1\n" in out
    assert "Values\n  step: 4 -> 8\n" in out
    assert out.endswith("2 of 3 shared arrays are bit-equal\n")


def test_diff_of_the_same_is_code_0(runs: Path, capsys: pytest.CaptureFixture):
    CheckpointManager("other").save(8, make_state(8))
    code, out = run(capsys, "diff", "demo", "other")
    assert code == 0
    assert out.endswith("the same, bit for bit: 3 of 3 shared arrays are bit-equal\n")


def test_verify_reads_what_ls_does_not(runs: Path, capsys: pytest.CaptureFixture):
    assert run(capsys, "verify", "demo")[0] == 0
    damage_array(folder_of(8))
    assert run_json(capsys, "ls", "demo")[1]["checkpoints"][1]["condition"] == "complete"
    code, content = run_json(capsys, "verify", "demo")
    assert code == 1
    assert [each["sound"] for each in content["checkpoints"]] == [True, False]
    (fault,) = content["checkpoints"][1]["faults"].items()
    assert fault[0] == "model.head.weight"
    assert run(capsys, "verify", "demo", "--step=4")[0] == 0
    code, out = run(capsys, "verify", str(folder_of(8)))
    assert code == 1
    assert out.startswith(f"{folder_of(8)} is DAMAGED; sound in it: 2 arrays, 104 B\n")
    assert "  model.head.weight: cannot read array 'model.head.weight': " in out


REFUSED = [
    ("", "needs one of ls, show, diff, verify", "checkpoint ls WORKDIR"),
    ("lss demo", "no 'lss'", "did you mean 'ls'?"),
    ("ls", "checkpoint ls needs one place", "not 0"),
    ("diff demo", "checkpoint diff needs two places", "not 1"),
    ("show demo empty", "checkpoint show needs one place", "not 2"),
    ("ls dmo", "dmo is not there", "did you mean 'demo'?"),
    ("ls empty", "empty holds no checkpoints", "did you mean 'demo'?"),
    ("verify empty/none", "empty/none is not there", ""),
    ("verify demo/checkpoints/step_00000009", "step_00000009 is not there", "step_0000000"),
    ("show demo --step=9", "no checkpoint of step 9 in demo", "the nearest is --step=8"),
    ("ls demo --step=1", "[4, 8]", "the nearest is --step=4"),
    ("show demo --step=x", "--step=x", "a whole number"),
    ("show demo/checkpoints/step_00000004 --step=4", "is one checkpoint", "leave out --step=4"),
    ("ls demo --formt=json", "no flag --formt", "did you mean '--format'?"),
    ("ls demo --gin.A=1", "reads no gin", "--gin.NAME=VALUE"),
]


@pytest.mark.parametrize(("line", "named", "offered"), REFUSED, ids=[case[0] for case in REFUSED])
def test_bad_input_is_one_line_and_code_2(
    runs: Path, capsys: pytest.CaptureFixture, line: str, named: str, offered: str
):
    assert main(["checkpoint", *line.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert named in err
    assert offered in err


def test_ls_imports_nothing_heavy(runs: Path):
    program = (
        "import sys; from mirasol.__main__ import main; main(['checkpoint', 'ls', 'demo']);"
        "print({'torch', 'numpy', 'tensorstore'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()", done.stderr
