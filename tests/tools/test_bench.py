"""Each benchmark runs at tiny sizes, writes its rows, and prints what follows from them."""

from __future__ import annotations

import copy
import json
import statistics
from pathlib import Path

import bench
import numpy as np
import pytest
from benchmarks import train
from benchmarks.loader_clips import RATE_HZ, write_clips
from benchmarks.loader_roads import decode_bare

ROOT = Path(__file__).parents[2]
TINY = ["--gin_file=runs/av_shapes.gin"]  # Mirasol tiny; clips of 4 chunks.


def run(tmp_path, capsys, *arguments):
    """Returns the rows that a benchmark wrote and the table that it printed."""
    path = tmp_path / "rows.json"
    assert bench.main([*arguments, f"--output={path}"]) == 0
    record = json.loads(path.read_text())
    assert record["benchmark"] == arguments[0]
    assert record["command"].startswith(f"python tools/bench.py {arguments[0]} ")
    assert record["machine"].keys() >= {"cpu", "cores", "threads", "torch", "commit", "date"}
    return record["rows"], capsys.readouterr().out


def test_ops_counts_what_the_token_turing_machine_saves(tmp_path, capsys):
    rows, printed = run(tmp_path, capsys, "ops", *TINY)
    flops = {row["combiner"]: row["combiner_flops"] for row in rows}
    for other in ("transformer", "transformer_chunk_alone"):
        more = flops["token_turing"] / flops[other] - 1  # At this size: few tokens, much memory.
        assert f"token_turing needs {more:.1%} more than {other} in the Combiner" in printed


def test_rate_is_that_of_the_step_over_that_of_the_best_product(tmp_path, capsys):
    rows, printed = run(
        tmp_path, capsys, "rate", *TINY, "--repeats=3", "--products", "64", "128", "--batch_size=2"
    )
    step, *rest = rows
    products = [row for row in rest if row["what"] == "product"]
    assert [row["flops"] for row in products] == [2 * 64**3, 2 * 128**3]
    assert {len(row["seconds"]) for row in (step, *products)} >= {3}
    best = max(row["flops"] / min(row["seconds"]) for row in products)
    share = step["flops"] / statistics.median(step["seconds"]) / best
    assert f"A step reaches {share:.0%} of the rate" in printed
    assert {"addmm", "all others"} <= {row.get("name") for row in rest}


def test_train_tells_the_speed_of_whole_steps(capsys):
    options = bench._parser().parse_args(
        ["train", *TINY, "--runtime=cpu", "--batch_size=2", "--steps=1", "--repeats=2"]
    )
    row = train.measure_variant(options, "eager")
    step_s = statistics.median(row["seconds"])
    told = train.tell([row])
    assert f"| {2 / step_s:.2f} | {row['flops'] / step_s / 1e9:,.0f} |" in told
    assert f"| {row['flops'] / step_s / row['peak_flops']:.1%} |" in told
    assert 0 < row["flops"] / step_s < row["peak_flops"]
    assert row["peak_memory"] > 1e8
    with pytest.raises(ValueError, match=r"'egaer' begins with none of .*did you mean 'eager'"):
        train.measure_variant(options, "egaer")


@pytest.mark.slow
def test_train_needs_no_tensorflow(tmp_path, capsys):
    flags = ["--runtime=cpu", "--steps=1", "--repeats=1", "--warm_up=1"]
    (row,), printed = run(tmp_path, capsys, "train", *TINY, *flags)
    assert row["without_tensorflow"]
    assert "| compiled |" in printed


@pytest.mark.slow
def test_overlap_compares_steps_with_a_loader_and_without(tmp_path, capsys):
    flags = ["--runtime=cpu", "--batch_size=2", "--steps=3", "--repeats=2", "--warm_up=1"]
    (row,), printed = run(tmp_path, capsys, "overlap", *TINY, *flags)
    ready_s, fed_s = (statistics.median(row["seconds"][name]) for name in ("ready", "fed"))
    assert f"slows the step by {fed_s / ready_s - 1:.1%}" in printed
    # No batch comes sooner than the loader has it, but for the few that lay ready.
    assert min(row["seconds"]["fed"]) > row["loader_s"] * (row["steps"] - 2)


@pytest.mark.slow
def test_dispatch_sets_the_host_against_the_step(tmp_path, capsys):
    flags = ["--repeats=3", "--warm_up=2"]
    (xla, eager), printed = run(tmp_path, capsys, "dispatch", *TINY, *flags)
    assert (xla["runtime"], eager["runtime"]) == ("xla", "cpu")
    assert all(0 < host < step for host, step in zip(xla["host_s"], xla["step_s"], strict=True))
    assert xla["new_graphs"] == 0
    ratio = statistics.median(xla["step_s"]) / statistics.median(eager["step_s"])
    assert f"takes {ratio:.2f} of the time of the eager one" in printed


def test_questions_compares_many_with_one(tmp_path, capsys):
    rows, printed = run(tmp_path, capsys, "questions", *TINY, "--repeats=3", "--questions=4")
    one, many = rows
    assert (one["questions"], many["questions"]) == (1, 4)
    assert one["flops"] < many["flops"] < 4 * one["flops"]
    longer = statistics.median(many["seconds"]) / statistics.median(one["seconds"])
    assert f"4 questions take {longer:.2f} times as long as one" in printed


@pytest.mark.slow
def test_frames_measures_each_point_and_draws_them(tmp_path, capsys):
    flags = ["--combiners", "token_turing", "--frames", "8", "32", "--repeats=1"]
    rows, printed = run(tmp_path, capsys, "frames", *TINY, *flags)
    assert [(row["combiner"], row["frames"]) for row in rows] == [
        ("token_turing", 8),
        ("token_turing", 32),
    ]
    assert all(row["peak_bytes"] > 0 for row in rows)
    few, many = rows
    a_frame = [row["seconds"][0] / row["frames"] for row in (few, many)]
    assert (
        f"token_turing, from 8 to 32 frames: time a frame {a_frame[1] / a_frame[0] - 1:+.1%}"
        in (printed)
    )
    assert f"peak memory {many['peak_bytes'] / few['peak_bytes']:.1f} times" in printed
    assert (tmp_path / "rows.png").read_bytes().startswith(b"\x89PNG")


def test_checkpoint_compares_what_it_measures(tmp_path, capsys):
    flags = ["--megabytes=1", "--width=64", "--repeats=1", f"--folder={tmp_path}/scratch"]
    rows, printed = run(tmp_path, capsys, "checkpoint", *flags, "--memory_of", "ours")
    ours, plain, other = rows
    assert [row["way"] for row in rows] == ["ours", "torch.save and torch.load", "DCP's own files"]
    assert ours["bytes"] == plain["bytes"] == other["bytes"] > 10**6
    assert ours["save_s"][0] > ours["held_s"][0]
    assert other["save_s"] == other["held_s"]
    held = ours["held_s"][0] / plain["save_s"][0]
    assert f"holds the step for {held:.2f} of the time of torch.save" in printed
    faster = other["restore_s"][0] / ours["restore_s"][0]
    assert f"restores {faster:.1f} times as fast as DCP's own files" in printed
    assert ours["peak_bytes"] > 0
    assert f"takes {ours['peak_bytes'] / ours['bytes']:.2f} copies of the state" in printed
    assert plain["peak_bytes"] is None
    assert list((tmp_path / "scratch").iterdir()) == []


LOADER_TINY = ["--repeats=1", "--frames=8", "--image_size=16", "--processes=1", "--clip_s=0.5"]


@pytest.mark.slow
def test_loader_reads_the_same_clips_on_every_road(tmp_path, capsys):
    """Slow: starts four loaders."""
    flags = [*LOADER_TINY, "--batch_size=2", "--turn_clips=4", "--clips=8", "--files=2"]
    rows, printed = run(tmp_path, capsys, "loader", *flags)
    bare, ours, cached, training, evaluation = rows
    assert (bare["road"], ours["road"], cached["road"]) == ("bare PyAV", "loader", "cached")
    share = statistics.median(bare["seconds"]) / statistics.median(ours["seconds"])
    assert f"- loader delivers {share:.0%} of what bare PyAV does" in printed
    assert training["clips"] == evaluation["clips"] == [2, 4, 6, 8]
    assert min(training["bytes"]) > 10**8
    most = max(evaluation["bytes"]) / 1e9
    assert f"Memory of evaluation, workers included, over 8 clips: at most {most:.2f} GB" in printed


def test_bare_decoding_gives_the_frames_and_sound_of_a_clip(tmp_path):
    paths = write_clips(tmp_path, 1, 1.0)
    times_s = (np.arange(8) + 0.5) / 8
    samples = decode_bare(paths, times_s[:0], 16)
    assert samples >= 2 * 4 * RATE_HZ
    assert decode_bare(paths, times_s, 16) == samples + 8 * 16 * 16 * 3


def test_loader_refuses_a_turn_that_its_processes_cannot_share(tmp_path, capsys):
    flags = ["--turn_clips=5", "--batch_size=2", f"--output={tmp_path}/rows.json"]
    assert bench.main(["loader", *flags]) == 2
    assert "--turn_clips=5 one of --processes times --batch_size, 4" in capsys.readouterr().err


SMALL_SIZES = {
    "image_size": 32,
    "mel_bins": 16,
    "width": 48,
    "heads": 2,
    "encoder_layers": 1,
    "combiner_layers": 1,
    "latent_layers": 1,
    "decoder_layers": 1,
    "out_tokens": 2,
    "written": 3,
    "vocab_size": 20,
}


@pytest.mark.slow
def test_peer_measures_both_sides_at_the_same_sizes(tmp_path, capsys):
    """Slow: fetches the other package."""
    sizes = [f"--set={name}={value}" for name, value in SMALL_SIZES.items()]
    flags = ["--frames", "16", "--columns=4", "--turns=2", "--repeats=1", *sizes]
    rows, printed = run(tmp_path, capsys, "peer", *flags, f"--packages={tmp_path}/other")
    assert [(row["side"], row["columns"]) for row in rows] == [
        ("ours", 2),
        ("theirs", 2),
        ("ours", 4),
        ("theirs", 4),
    ]
    assert {len(row["fused_update_s"]) for row in rows} == {2}
    parts = "gradients_s", "fused_update_s"
    ours, theirs = (sum(statistics.median(row[name]) for name in parts) for row in rows[:2])
    longer = theirs / ours
    assert f"2 columns a chunk: the other takes {longer:.2f} times as long for a step" in printed


def test_ops_at_3b_reaches_what_the_paper_claims():
    path = ROOT / "docs/benchmarks/ops.json"
    rows = json.loads(path.read_text())["rows"]
    assert {row["model_parameters"] // 10**8 for row in rows} == {30}
    assert {row["chunks"] * row["chunk_frames"] for row in rows} == {128}
    flops = {row["combiner"]: row["combiner_flops"] for row in rows}
    assert flops["token_turing"] <= 0.82 * flops["transformer"]
    assert flops["token_turing"] <= 0.82 * flops["transformer_chunk_alone"]


RECORDS = sorted(
    path
    for path in (ROOT / "docs/benchmarks").glob("*.json")
    if path.stem
    != "agreement"  # tools/agreement.py's; tests/runtime/test_agreement.py compares it.
)


@pytest.mark.parametrize("path", RECORDS, ids=str)
def test_the_page_shows_the_tables_of_the_rows_beside_it(path):
    record = json.loads(path.read_text())
    table = bench.BENCHMARKS[record["benchmark"]].tell(record["rows"])
    assert table in (ROOT / "docs/benchmarks.md").read_text()


def test_what_is_printed_follows_the_rows(capsys, tmp_path):
    record = json.loads((ROOT / "docs/benchmarks/ops.json").read_text())
    changed = copy.deepcopy(record)
    for row in changed["rows"]:
        if row["combiner"] == "token_turing":
            row["combiner_flops"] *= 2
    path = tmp_path / "ops.json"
    path.write_text(json.dumps(changed))
    assert bench.main(["show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert bench.BENCHMARKS["ops"].tell(changed["rows"]) in shown
    assert bench.BENCHMARKS["ops"].tell(record["rows"]) not in shown


def test_an_unknown_gin_file_is_one_line(tmp_path, capsys):
    assert bench.main(["ops", "--gin_file=nothing.gin", f"--output={tmp_path}/rows.json"]) == 2
    assert "\nbench: no gin file 'nothing.gin'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
