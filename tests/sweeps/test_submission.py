"""What is there already and what has changed since, in a folder that is submitted to again."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil

import pytest

from mirasol import config, wiring
from mirasol.sweeps import dry_run, locks, planning, sources, submission
from mirasol.sweeps.records import (
    all_trials,
    read_sweep,
    read_trial,
    read_trials,
    trial_folder,
    write_trial,
)
from tests.sweeps.test_planning import SWEEP


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "two.gin"
    path.write_text(SWEEP)
    sweep = planning.read([str(path)])
    return sweep, planning.plan(sweep, [str(path)], read_first=planning.loaded)


@pytest.fixture
def submitted(plan, tmp_path):
    """The folder, the sweep and its two trials, both of them done."""
    sweep, trials = plan
    folder = tmp_path / "two"
    found = submission.chosen(folder, trials)
    submission.submit(folder, sweep, ["two.gin"], found, ["--gin_file=two.gin"])
    for trial in trials:
        inside = trial_folder(folder, trial.id)
        write_trial(inside, dataclasses.replace(read_trial(inside), state="done", attempts=1))
    return folder, sweep, trials


@pytest.fixture
def edit(monkeypatch, tmp_path_factory):
    """Edits a copy of the package, and has it be the one that sources are read of."""
    caches = (sources._checksums, sources._reached, sources._imports)

    def of(name: str) -> None:
        package = tmp_path_factory.mktemp("checkout")
        sources._copy(package)
        file = package / "mirasol" / name
        file.write_text(file.read_text() + "# One more line.\n")
        monkeypatch.setattr(sources.code, "package", lambda: package / "mirasol")
        for cache in caches:
            cache.cache_clear()

    yield of
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


def replanned(trials):
    """Returns the trials as the code is now."""
    return [
        dataclasses.replace(
            each, sources=(used := sources.used(each.spec)), id=sources.digest([each.meaning, used])
        )
        for each in trials
    ]


def test_a_submit_freezes_code_and_configuration(submitted):
    folder, _, trials = submitted
    record = read_sweep(folder)
    assert [each.id for each in read_trials(folder)] == [trial.id for trial in trials]
    frozen = folder / "code" / record.code
    for name in ("__main__.py", "tasks/av_shapes.py", "gin/runs/av_shapes_tiny.gin"):
        assert (frozen / "mirasol" / name).is_file()
    text = (trial_folder(folder, trials[1].id) / submission.CONFIG).read_text()
    assert text.startswith("# combiner=token_turing, seed 0")
    assert "TokenTuringCombiner" in text


def test_the_same_again_changes_nothing(submitted):
    folder, sweep, trials = submitted
    found = submission.chosen(folder, trials)
    assert [each.stale_files for each in found] == [(), ()]
    submission.submit(folder, sweep, ["two.gin"], submission.settled(found, "ask"), [])
    assert [read_trial(trial_folder(folder, each.id)).state for each in trials] == ["done"] * 2


def test_what_another_sweep_has_done_is_taken_from_it(submitted, tmp_path_factory):
    other, sweep, trials = submitted
    folder = tmp_path_factory.mktemp("sweep")
    metrics = trial_folder(other, trials[0].id) / "workdir" / "metrics.jsonl"
    metrics.parent.mkdir()
    (task, _, name) = sweep.metrics[0].partition("/")
    line = json.dumps({"step": trials[0].steps, "split": "validation", "task": task, name: 0.5})
    metrics.write_text(f"{line}\n")
    done = trial_folder(other, trials[0].id)
    write_trial(done, dataclasses.replace(read_trial(done), seconds=50.0))
    unfinished = trial_folder(other, trials[1].id)
    write_trial(unfinished, dataclasses.replace(read_trial(unfinished), state="failed"))
    found = submission.chosen(folder, trials, [other])
    assert [each.record and each.record.taken_from for each in found] == ["two", None]
    said = list(dry_run.lines(sweep, found))
    assert "seed 0  done by two, 50 s  " in said[3]
    assert "seed 0  not begun  " in said[4]
    assert not any(folder.iterdir())
    renamed = [dataclasses.replace(each, variant={"fused_by": "it"}) for each in trials]
    assert submission.chosen(folder, renamed, [other])[0].record.labels == {"fused_by": "it"}
    submission.submit(folder, sweep, ["three.gin"], submission.chosen(folder, trials), [])
    assert read_trials(folder)[0].state == "pending"
    # Pending or not, nothing of it was begun here; and as after a copy that was cut off.
    found = submission.chosen(folder, trials, [other], sweep.metrics)
    (trial_folder(folder, trials[0].id) / "workdir").mkdir()
    for _ in range(2):  # The second time it is this sweep's own.
        submission.submit(folder, sweep, ["three.gin"], found, [])
        taken, other_one = read_trials(folder)
        assert (taken.state, taken.attempts, taken.taken_from) == ("done", 1, "two")
        assert (other_one.state, other_one.attempts, other_one.taken_from) == ("pending", 0, None)
        copy = trial_folder(folder, trials[0].id)
        assert (copy / "workdir" / "metrics.jsonl").read_text() == f"{line}\n"
        assert (copy / submission.CONFIG).read_text().startswith("# combiner=transformer, seed 0")
        found = submission.chosen(folder, trials, [other])
    assert not submission.chosen(tmp_path_factory.mktemp("b"), trials, [other], ["t/m"])[0].record
    with pytest.raises(ValueError, match="nowhere holds no sweep"):
        submission.chosen(folder, trials, [tmp_path_factory.getbasetemp() / "nowhere"])


def test_what_is_taken_is_not_stale(submitted, tmp_path_factory):
    other, _, trials = submitted
    inside = trial_folder(other, trials[0].id)
    write_trial(inside, dataclasses.replace(read_trial(inside), stale_files=["mirasol/a.py"]))
    found = submission.chosen(tmp_path_factory.mktemp("sweep"), trials, [other])
    assert [each.record.stale_files for each in found] == [[], []]


def test_what_was_begun_meanwhile_is_not_taken(submitted, tmp_path_factory):
    other, sweep, trials = submitted
    folder = tmp_path_factory.mktemp("sweep")
    submission.submit(folder, sweep, ["three.gin"], submission.chosen(folder, trials), [])
    found = submission.chosen(folder, trials, [other])
    assert [each.elsewhere is None for each in found] == [False, False]
    inside = trial_folder(folder, trials[0].id)
    write_trial(inside, dataclasses.replace(read_trial(inside), state="failed", attempts=1))
    submission.submit(folder, sweep, ["three.gin"], found, [])
    assert [each.state for each in read_trials(folder)] == ["failed", "done"]
    assert [each.taken_from for each in read_trials(folder)] == [None, "two"]


def test_a_copy_that_is_cut_off_leaves_no_workdir(submitted, tmp_path_factory, monkeypatch):
    other, sweep, trials = submitted
    folder = tmp_path_factory.mktemp("sweep")
    for each in trials:
        (trial_folder(other, each.id) / "workdir").mkdir()
    submission.submit(folder, sweep, ["three.gin"], submission.chosen(folder, trials), [])

    def cut_off(source, target, **_):
        (target / "workdir").mkdir(parents=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copytree", cut_off)
        with pytest.raises(KeyboardInterrupt):
            found = submission.chosen(folder, trials, [other])
            submission.submit(folder, sweep, ["three.gin"], found, [])
    inside = trial_folder(folder, trials[0].id)
    assert not (inside / "workdir").exists()
    (inside / ".draft" / "workdir").mkdir(parents=True)  # Nor does one that was killed.
    found = submission.chosen(folder, trials)
    submission.submit(folder, sweep, ["three.gin"], found, [])
    assert sorted(path.name for path in inside.iterdir()) == ["lock", "trial.gin", "trial.json"]
    assert read_trial(inside).state == "pending"


def test_what_an_edit_leaves_out_of_the_plan_is_told(submitted):
    folder, _, trials = submitted
    found = submission.chosen(folder, trials)
    assert list(dry_run.beside(folder, found)) == []
    file = trial_folder(folder, trials[0].id) / submission.CONFIG
    edited = dataclasses.replace(
        trials[0],
        id="edited",
        spec=dataclasses.replace(
            trials[0].spec, declared=file.read_text().replace("SEED = 0", "SEED = 0\nLOG = 1")
        ),
    )
    found = [submission.Chosen(edited, None), submission.Chosen(trials[1], found[1].record)]
    (line,) = dry_run.beside(folder, found)
    assert line.startswith(f"{trials[0].id}  combiner=transformer  seed 0  done here, and not of")
    assert line.endswith(": there LOG differs")
    (line,) = dry_run.beside(folder, found[1:])
    assert line.endswith("not of this plan")
    file.unlink()  # Nothing says what it was asked for.
    (line,) = dry_run.beside(folder, found)
    assert line.endswith("not of this plan")


@pytest.mark.parametrize(
    ("changed", "said"), [(False, "1234"), (True, "1234 with uncommitted changes")]
)
def test_a_commit_that_is_not_all_of_the_code_says_so(plan, tmp_path, monkeypatch, changed, said):
    of_now = {"commit": "1234", "changed": changed}
    monkeypatch.setattr(submission.code, "commit", lambda _: of_now)
    sweep, trials = plan
    submission.submit(tmp_path, sweep, ["two.gin"], submission.chosen(tmp_path, trials), [])
    assert {read_sweep(tmp_path).commit, *(each.commit for each in read_trials(tmp_path))} == {said}


def test_the_time_of_what_somebody_else_trained_is_known_to_be_incomplete(plan, tmp_path):
    sweep, trials = plan
    (trial_folder(tmp_path, trials[0].id) / "workdir").mkdir(parents=True)  # By its command, say.
    submission.submit(tmp_path, sweep, ["two.gin"], submission.chosen(tmp_path, trials), [])
    assert [each.seconds_incomplete for each in read_trials(tmp_path)] == [True, False]


def test_a_dry_run_tells_what_is_left_and_about_how_long_it_takes(submitted):
    folder, sweep, trials = submitted
    inside = trial_folder(folder, trials[0].id)
    write_trial(inside, dataclasses.replace(read_trial(inside), seconds=50.0))
    shutil.rmtree(trial_folder(folder, trials[1].id))
    said = list(dry_run.lines(sweep, submission.chosen(folder, trials)))
    assert said[0].startswith("2 trials (grid) of ")
    assert "seed 0  done, 50 s  " in said[3]
    assert (
        "seed 0  not begun  " in said[4] and "by the operations of trials that are done" in said[4]
    )
    assert said[5].startswith("1 ended, 1 to train, about 5")
    assert said[5].endswith(" one after another; 0 stale")


def test_labels_are_those_of_the_newest_plan(submitted):
    folder, sweep, trials = submitted
    renamed = [
        dataclasses.replace(each, variant={"combiner": f"a {each.variant['combiner']}"})
        for each in trials
    ]
    submission.submit(folder, sweep, ["two.gin"], submission.chosen(folder, renamed), [])
    for found in (read_trials(folder), all_trials(folder)):
        assert {each.labels["combiner"] for each in found} == {"a transformer", "a token_turing"}
        assert [each.state for each in found] == ["done"] * 2


def test_a_source_that_both_use_makes_both_stale(submitted, edit):
    folder, sweep, trials = submitted
    edit("training/step.py")
    found = submission.chosen(folder, replanned(trials))
    assert [each.stale_files for each in found] == [("mirasol/training/step.py",)] * 2
    assert [each.id for each in found] == [trial.id for trial in trials]
    said = "\n".join(dry_run.lines(sweep, found))
    assert said.count("stale: mirasol/training/step.py changed since it began") == 2
    assert said.endswith("\n2 ended, 0 to train; 2 stale")
    with pytest.raises(ValueError, match=r"2 trials .* ran with other code .*step\.py changed"):
        submission.settled(found, "ask")


def test_what_is_stale_stands_or_is_trained_anew_beside_the_old(submitted, edit):
    folder, sweep, trials = submitted
    edit("models/token_turing.py")
    found = submission.chosen(folder, replanned(trials))
    assert [bool(each.stale_files) for each in found] == [False, True]
    submission.submit(folder, sweep, ["two.gin"], submission.settled(found, "keep"), [])
    kept = read_trials(folder)
    assert [each.stale_files for each in kept] == [[], ["mirasol/models/token_turing.py"]]
    submission.submit(folder, sweep, ["two.gin"], submission.settled(found, "retrain"), [])
    anew = read_trials(folder)
    assert [each.state for each in anew] == ["done", "pending"]
    assert anew[0].id == kept[0].id
    assert anew[1].id != kept[1].id
    assert anew[1].code != kept[1].code
    assert (
        (folder / "code" / anew[1].code / "mirasol/models/token_turing.py")
        .read_text()
        .endswith("# One more line.\n")
    )


def reread(trials, *bindings: str):
    """Returns the trials as the code is now, defaults too, with further bindings."""
    found = []
    for each in trials:
        spec = config.load(each.files, (*each.bindings, *bindings))
        meaning = sources.digest(dict(spec.meaning))
        identity = sources.digest([meaning, each.sources])
        found.append(dataclasses.replace(each, id=identity, spec=spec, meaning=meaning))
    return found


def test_a_default_that_is_new_makes_stale_and_not_another_trial(submitted, monkeypatch):
    folder, sweep, trials = submitted
    for each in trials:
        workdir = trial_folder(folder, each.id) / "workdir"
        workdir.mkdir()
        (workdir / "operative_config.gin").write_text(each.spec.operative)
    plain = wiring.defaults

    def with_another(target):
        return plain(target) | ({"added": 1} if target.__name__ == "TransformerCombiner" else {})

    monkeypatch.setattr(wiring, "defaults", with_another)
    monkeypatch.setattr(config, "defaults", with_another)
    anew = reread(trials)
    assert [new.meaning == old.meaning for new, old in zip(anew, trials, strict=True)] == [
        False,
        True,
    ]
    found = submission.chosen(folder, anew)
    assert [each.stale_files for each in found] == [
        ("configuration (TransformerCombiner.added)",),
        (),
    ]
    assert [each.id for each in found] == [each.id for each in trials]
    with pytest.raises(ValueError, match=r"1 trials .* \(configuration \(Transformer"):
        submission.settled(found, "ask")
    submission.submit(folder, sweep, ["two.gin"], submission.settled(found, "keep"), [])
    assert [each.id for each in read_trials(folder)] == [each.id for each in trials]


def test_what_is_asked_for_anew_is_a_new_trial(submitted):
    folder, _, trials = submitted
    changed = reread(trials, "WIDTH = 48")
    assert [each.variant for each in changed] == [each.variant for each in trials]
    assert [each.record for each in submission.chosen(folder, changed)] == [None, None]


def test_a_part_of_another_module_is_stale_under_its_label_and_new_under_another(submitted):
    folder, _, trials = submitted
    inside = trial_folder(folder, trials[0].id)
    text = (inside / submission.CONFIG).read_text()
    assert "from mirasol.models import combiners\n" in text
    moved = text.replace("models import combiners", "models import fusion")
    (inside / submission.CONFIG).write_text(moved.replace("combiners.Trans", "fusion.Trans"))
    write_trial(inside, dataclasses.replace(read_trial(inside), meaning="of then"))
    now = dataclasses.replace(trials[0], id="of-now")
    (found,) = submission.chosen(folder, [now])
    assert (found.id, found.stale_files) == (trials[0].id, ("configuration",))
    other = dataclasses.replace(now, variant={"combiner": "another"})
    assert submission.chosen(folder, [other])[0].record is None
    # What the plan has as it is stands for no other of its trials.
    assert [each.record is None for each in submission.chosen(folder, [trials[0], now])] == [
        False,
        True,
    ]


def test_what_is_stale_is_told_of_a_trial_that_ran_at_the_submit(submitted, edit):
    folder, sweep, trials = submitted
    edit("models/token_turing.py")
    inside = trial_folder(folder, trials[1].id)
    of_the_watcher = read_trial(inside)
    found = submission.chosen(folder, replanned(trials))
    with locks.held(inside) as lock:
        assert lock is not None
        submission.submit(folder, sweep, ["two.gin"], submission.settled(found, "keep"), [])
        write_trial(inside, of_the_watcher)
    told = [each.stale_files for each in read_trials(folder)]
    assert told == [[], ["mirasol/models/token_turing.py"]]
    # A sweep that was written before says nothing of it; then its trials do.
    write_trial(inside, dataclasses.replace(of_the_watcher, stale_files=["mirasol/a.py"]))
    file = folder / "sweep.json"
    values = json.loads(file.read_text())
    values["trials"] = [
        {name: value for name, value in each.items() if name != "stale_files"}
        for each in values["trials"]
    ]
    file.write_text(json.dumps(values))
    assert [each.stale_files for each in read_trials(folder)] == [[], ["mirasol/a.py"]]


def test_what_is_edited_between_plan_and_copy_is_refused(submitted, edit):
    folder, _, trials = submitted
    edit("models/token_turing.py")
    sources._checksums()  # As it is when the trials are planned.
    file = sources.code.package() / "models/pooling.py"
    file.write_text(file.read_text() + "# One more line.\n")
    frozen = sorted((folder / "code").iterdir())
    with pytest.raises(ValueError, match=r"mirasol/models/pooling\.py changed while"):
        sources.freeze(folder / "code", [each.spec for each in trials])
    assert sorted((folder / "code").iterdir()) == frozen


def test_a_source_that_no_trial_uses_makes_none_stale(submitted, edit):
    folder, _, trials = submitted
    edit("models/pooling.py")
    assert [each.id for each in replanned(trials)] == [each.id for each in trials]
    shutil.rmtree(folder / "code")  # Nothing of this looks at frozen code.
    assert not any(each.stale_files for each in submission.chosen(folder, replanned(trials)))


def test_a_trial_is_attempted_with_the_code_that_it_began_with(submitted, monkeypatch):
    folder, sweep, trials = submitted
    sweep = dataclasses.replace(sweep, grace_s=7.0)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    attempt = submission.attempt(folder, trials[0].id, sweep, "cpu")
    assert attempt.rules.grace_s == 7.0
    # Devices and threads of here may not be those of the machine that trains.
    assert attempt.environment == {"PYTHONPATH": str(folder / "code" / read_sweep(folder).code)}
    assert attempt.rules.metrics == ("av_shapes_tiny_joint/accuracy",)
    assert attempt.command[-1] == "--runtime=cpu"


def test_a_trial_finds_what_python_finds_here_behind_its_frozen_code(
    submitted, monkeypatch, tmp_path
):
    folder, sweep, trials = submitted
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["mine", "/of/others"]))
    attempt = submission.attempt(folder, trials[0].id, sweep, "cpu")
    frozen = str(folder / "code" / read_sweep(folder).code)
    path = attempt.environment["PYTHONPATH"]
    assert path.split(os.pathsep) == [frozen, str(tmp_path / "mine"), "/of/others"]
