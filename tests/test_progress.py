from __future__ import annotations

from mirasol.progress import progress_bar


def test_a_log_file_gets_whole_lines(capsys):
    with progress_bar(total=3, title="train", unit="step") as outer:
        with progress_bar(total=2, title="inner", unit="clip", leave=False) as inner:
            inner.update(2)
        outer.update(3)
    written = capsys.readouterr().err
    lines = written.split("\n")
    assert lines.pop() == ""
    assert all(line.startswith(("train: ", "inner: ")) for line in lines)
    assert "3/3" in lines[-1]
    assert "\r" not in written and "\x1b" not in written
