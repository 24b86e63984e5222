"""A set made by hand: sizes by argument, and mistakes in one line."""

import runpy
from pathlib import Path

import pytest

main = runpy.run_path(str(Path(__file__).parents[2] / "tools/make_av_shapes.py"))["main"]


def test_a_set_has_the_sizes_asked_for_and_is_not_taken_for_another(tmp_path, capsys):
    line = ["av_shapes_tiny", "--train=2", "--validation=1", "--test=1", "--processes=1"]
    line.append(f"--root={tmp_path}")
    assert main(line) == 0
    folder = tmp_path / "av_shapes_tiny"
    assert capsys.readouterr().out == f"{folder}\n"
    assert len(list((folder / "videos").iterdir())) == 4
    assert main([*line, "--train=3"]) == 2
    assert "is there already with other train" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        ("folder", "av_shapes_tyny", "did you mean 'av_shapes_tiny'?"),
        ("file", "av_shapes_tiny", "MIRASOL_DATA must name a folder"),
    ],
)
def test_a_mistake_is_one_line(data, name, said, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MIRASOL_DATA", str(tmp_path / data))
    assert main([name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("make_av_shapes: ")
    assert err.count("\n") == 1
    assert said in err
