"""A misspelt or shortened option of a tool ends it, and the right one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirasol.tool_options import ToolParser

TOOLS = Path(__file__).parent.parent / "tools"


def parser() -> ToolParser:
    whole = ToolParser(description="does this\n\nand that")
    whole.add_argument("--gin_file", action="append")
    commands = whole.add_subparsers(dest="command")
    commands.add_parser("train").add_argument("--steps", type=int)
    return whole


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_what_is_right_is_taken() -> None:
    given = parser().parse_args(["--gin_file=a.gin", "train", "--steps=3"])
    assert (given.gin_file, given.command, given.steps) == (["a.gin"], "train", 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ginfile=a.gin"], "no option '--ginfile'; did you mean '--gin_file'?"),
        (["--gin=a.gin"], "no option '--gin'"),
        (["train", "--stesp=3"], "no option '--stesp'; did you mean '--steps'?"),
        (["train", "more"], "'more' is a word too many"),
    ],
)
def test_what_is_not_an_option_is_named(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(arguments, capsys)


@pytest.mark.parametrize("tool", sorted(TOOLS.rglob("*.py")), ids=lambda path: path.name)
def test_every_tool_takes_its_options_so(tool: Path) -> None:
    assert "ArgumentParser(" not in tool.read_text(encoding="utf-8")
