"""From gin files to trials: what makes a trial another one, and mistakes with their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirasol import config
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import model_state
from mirasol.findings import ExperimentError
from mirasol.gin_files import sweeps
from mirasol.sweeps import planning

SWEEP = """
from __gin__ import dynamic_registration
from mirasol.sweeps import early
from mirasol.sweeps import plan

plan.Sweep:
    hypothesis = 'none'
    base = ['runs/av_shapes_tiny.gin']
    axes = [@combiner/plan.Axis()]
    plan = @plan.Grid()
    seeds = [0]
    metrics = ['av_shapes_tiny_joint/accuracy']

combiner/plan.Axis:
    name = 'combiner'
    labels = {
        'transformer': [],
        'token_turing': ['models/combiners/token_turing.gin'],
    }
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "two.gin"
    path.write_text(SWEEP)
    return path


def planned(file, *bindings: str) -> list[planning.Planned]:
    sweep = planning.read([str(file)], bindings)
    return planning.plan(sweep, [str(file)], read_first=planning.loaded)


def test_a_trial_is_what_it_means_wherever_it_stands(file):
    one, two = planned(file, "Sweep.seeds = [0, 7]")[:2]
    assert (one.variant, one.seed, one.steps) == ({"combiner": "transformer"}, 0, 20)
    assert one.id != two.id
    lines = file.read_text().splitlines()
    reordered = [*lines[:-3], lines[-2], lines[-3], lines[-1]]
    file.write_text("\n".join(reordered))
    again = planned(file, "Sweep.seeds = [7, 0]")
    assert {one.id, two.id} == {
        each.id for each in again if each.variant["combiner"] == "transformer"
    }


def test_a_trial_uses_the_sources_of_its_own_parts(file):
    transformer, turing = planned(file)
    own = {"mirasol/models/token_turing.py", "mirasol/models/token_learner.py"}
    assert turing.sources.keys() - transformer.sources.keys() == own
    others = {"mirasol/training_run.py", "mirasol/models/mirasol3b.py", "tasks/av_shapes.py"}
    assert others <= transformer.sources.keys()


@pytest.mark.parametrize(
    ("bindings", "said"),
    [
        (
            ["Sweep.metrics = ['av_shapes_tiny_jont/accuracy']"],
            "the base run evaluates av_shapes_tiny_joint; did you mean '.*_joint/accuracy'",
        ),
        (
            ["Sweep.metrics = ['av_shapes_tiny_joint/acuracy']"],
            "has no metric 'acuracy'; did you mean 'av_shapes_tiny_joint/accuracy'",
        ),
        (
            ["Sweep.metrics = ['av_shapes_tiny_joint/accuracy/oder']"],
            "did you mean 'av_shapes_tiny_joint/accuracy/order'",
        ),
        (["Sweep.bindings = ['WIDHT = 3']"], "combiner=transformer: .*WIDHT"),
        (["Sweep.seed = [1]"], "did you mean 'seeds'"),
        (
            ["Sweep.seeds = [1, 2]", "Sweep.bindings = ['Trainer.seed = 3']"],
            "seed 2 means the same",
        ),
    ],
)
def test_what_is_wrong_is_told(file, bindings, said):
    with pytest.raises(ExperimentError, match=said):
        planned(file, *bindings)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (3, r"line 11: .*step 3, and the base run .* every 20"),
        (40, r"line 11: .*step 40, and the base run ends at 20"),
        (20, r"line 11: .*step 20, and the base run ends at 20: .* an earlier step"),
    ],
)
def test_a_rule_looks_at_a_step_that_is_evaluated(file, step, said):
    rule = "metric = 'av_shapes_tiny_joint/accuracy'\n    value = 0.5\n"
    text = file.read_text().replace("seeds =", "early_stop = @early.StopBelow()\n    seeds =")
    file.write_text(f"{text}\nearly.StopBelow:\n    {rule}    step = {step}\n")
    with pytest.raises(ExperimentError, match=said):
        planned(file)


def test_a_rule_looks_at_a_metric_that_there_is(file):
    text = file.read_text().replace("seeds =", "early_stop = @early.StopBelow()\n    seeds =")
    rule = "metric = 'av_shapes_tiny_joint/num_exmaples'\n    value = 0.5\n    step = 20\n"
    file.write_text(f"{text}\nearly.StopBelow:\n    {rule}")
    with pytest.raises(ExperimentError, match=r"line 23: .*'av_shapes_tiny_joint/num_examples'"):
        planned(file)


def test_a_mistake_has_the_line_of_the_sweep(file):
    text = file.read_text().replace("token_turing.gin", "tokn_turing.gin")
    file.write_text(text)
    number = next(i for i, line in enumerate(text.splitlines(), 1) if "tokn" in line)
    with pytest.raises(ExperimentError) as caught:
        planned(file)
    (finding,) = caught.value.findings
    assert finding.place == f"{file} line {number}"
    assert "token_turing.gin" in finding.message


def test_a_baseline_and_a_label_that_differ_are_both_told(file):
    text = file.read_text().replace(
        "seeds =", "baseline = {'combiner': 'transformer'}\n    seeds ="
    )
    file.write_text(text.replace("'transformer': []", "'transfromer': []"))
    with pytest.raises(ExperimentError) as caught:
        planned(file)
    baseline, label = map(str, caught.value.findings)
    assert baseline.startswith(f"{file} line 11: Sweep.baseline: axis 'combiner' has no label 'tra")
    assert "did you mean 'transfromer'?" in baseline
    assert label == (
        f"{file} line 18: or the label of axis 'combiner' 'transfromer' is misspelt, and "
        "Sweep.baseline is right; did you mean 'transformer'?"
    )


def test_a_baseline_of_lists_is_refused_in_words(file):
    said = r"axis 'combiner' has no label \['transformer'\], only transformer, token_turing"
    with pytest.raises(ExperimentError, match=said):
        planned(file, "Sweep.baseline = {'combiner': ['transformer']}")


def test_a_label_that_stands_twice_is_not_lost(file):
    file.write_text(file.read_text().replace("'token_turing'", "'transformer'"))
    with pytest.raises(ExperimentError) as caught:
        planned(file)
    (finding,) = caught.value.findings
    assert finding.place == f"{file} line 18"
    assert finding.message.startswith("the key 'transformer' stands twice, first in line 17")


def test_variants_that_mean_the_same_are_refused(file):
    file.write_text(file.read_text().replace("'models/combiners/token_turing.gin'", ""))
    with pytest.raises(ExperimentError, match="=token_turing seed 0 means the same as combiner=t"):
        planned(file)


def test_each_pair_that_means_the_same_has_the_line_of_its_label(file):
    text = file.read_text().replace("'models/combiners/token_turing.gin'", "")
    # The label's name stands elsewhere, too, and is of no concern there.
    text = text.replace("}\n", "    'third': [],\n    }\n# 'third': nothing\n")
    file.write_text(text.replace("[0]", "[0, 1]"))
    with pytest.raises(ExperimentError) as caught:
        planned(file)
    findings = caught.value.findings
    lines = text.splitlines()
    numbers = [lines.index(line) + 1 for line in lines if line.strip().endswith("': [],")][1:]
    assert [each.place for each in findings] == [f"{file} line {number}" for number in numbers]
    second, third = (each.message for each in findings)
    assert second.startswith("combiner=token_turing seed 0 means the same as combiner=transformer")
    assert third.startswith("combiner=third seed 0 means the same as combiner=transformer seed 0")


def test_seeds_that_mean_the_same_have_the_line_of_the_seeds(file):
    file.write_text(file.read_text().replace("[0]", "[1, 2, 3]"))
    fixed = "Sweep.bindings = ['Trainer.seed = 3']"
    with pytest.raises(ExperimentError) as caught:
        planned(file, fixed)
    assert [each.place for each in caught.value.findings] == [f"{file} line 11"] * 2


@pytest.mark.parametrize(
    ("written", "said", "line"),
    [
        (
            "baseline = {'combiner': 'transformer'}\n    plan = @plan.Random()",
            "'combiner=transformer' is none of the 1 variants",
            10,
        ),
        ("plan = @plan.OneAtATime()", "wants a label of combiner in Sweep.baseline", 10),
        ("plan = @plan.Listed()", "'combiner=transformer' is there twice", 23),
    ],
)
def test_a_plan_that_does_not_fit_has_its_line(file, written, said, line):
    text = file.read_text().replace("plan = @plan.Grid()", written)
    if "Random" in written:
        text += "\nplan.Random.count = 1\n"
    if "Listed" in written:
        text += "\nplan.Listed:\n    # None twice.\n    combinations = [\n        "
        text += "{'combiner': 'transformer'}, {'combiner': 'transformer'}]\n"
    file.write_text(text)
    with pytest.raises(ExperimentError) as caught:
        planning.plan(planning.read([str(file)]), [str(file)], read_first=planning.loaded)
    (finding,) = caught.value.findings
    assert said in finding.message
    assert finding.place == f"{file} line {line}"


def test_a_plan_that_a_flag_makes_unfit_has_the_flag(file):
    text = file.read_text().replace("@plan.Grid()", "@plan.Random()")
    file.write_text(f"{text}\nplan.Random.count = 1\n")
    flag = "Random.count = 3"
    sweep = planning.read([str(file)], [flag])
    with pytest.raises(ExperimentError) as caught:
        planning.plan(sweep, [str(file)], [flag], read_first=planning.loaded)
    (finding,) = caught.value.findings
    assert str(finding) == "--gin.Random.count: Random.count is 3; the grid has only 2"


@pytest.mark.parametrize("name", sweeps())
def test_a_shipped_sweep_can_be_read(name):
    files = [name] if name != "ablations/on_msrvtt_qa.gin" else ["ablations/combiner.gin", name]
    found = planning.read(files)
    assert len(found.variants()) > 1
    assert len(found.seeds) >= 3
    assert found.baseline in found.variants()


def save_pretrained(workdir):
    """Saves what a pre-training would, without one."""
    files = ["runs/av_shapes_pretraining.gin", "models/combiners/transformer.gin"]
    state = {"model": model_state(config.load(files).build().build_model()), "step": 1}
    CheckpointManager(workdir / "checkpoints").save(1, state)


@pytest.mark.slow  # Each variant of each is checked, which runs its model on made-up clips.
@pytest.mark.parametrize("more", [[], ["ablations/on_msrvtt_qa.gin"]])
@pytest.mark.parametrize("name", sorted({*sweeps()} - {"ablations/on_msrvtt_qa.gin"}))
def test_every_trial_of_a_shipped_sweep_is_checked(name, more, tmp_path, monkeypatch):
    if more and name in ("ablations/long_range.gin", "ablations/pretraining.gin"):
        pytest.skip("its set, or its stages, have no other form")
    bindings = ["ALL_TOKENS = 'COMBINER_TOKENS = 80'"] if "main" in name and more else []
    if name == "ablations/pretraining.gin":
        monkeypatch.chdir(tmp_path)
        save_pretrained(Path("workdirs/av_shapes_pretraining"))
    found = planning.read([name, *more], bindings)
    trials = planning.plan(found, [name, *more])
    assert len({trial.id for trial in trials}) == len(found.variants()) * len(found.seeds)
