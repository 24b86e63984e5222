"""Checkpoints in an object store: here one of local files, in which nothing is renamed."""

from pathlib import Path

import pytest
import torch

from mirasol.__main__ import main
from mirasol.checkpoint.exchange import load_tensors, save_tensors
from mirasol.checkpoint.manifest import CheckpointError, read_manifest
from mirasol.checkpoint.places import is_place, place
from mirasol.checkpoint.reader import TensorStoreReader
from mirasol.checkpoint.verification import verify
from mirasol.checkpoint.writer import TensorStoreWriter

STATE = {"weight": torch.arange(300.0).reshape(3, 100), "bias": torch.zeros(2)}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"file://{tmp_path}/bucket/checkpoints/step_00000007"


def save(url: str, step: int = 7) -> None:
    save_tensors(STATE, TensorStoreWriter(url, {"step": step}))


def files_of(url: str) -> list[Path]:
    return [path for path in Path(url.removeprefix("file://")).rglob("*") if path.is_file()]


def restore(url: str) -> dict[str, torch.Tensor]:
    tensors = {name: torch.full_like(tensor, 9) for name, tensor in STATE.items()}
    load_tensors(tensors, TensorStoreReader(url))
    return tensors


def test_what_is_saved_comes_back(url: str):
    save(url)
    assert all(torch.equal(tensor, STATE[name]) for name, tensor in restore(url).items())
    assert read_manifest(url).values == {"step": 7}
    assert verify(url).sound


def test_a_copy_on_a_local_disk_is_the_same_checkpoint(url: str):
    save(url)
    local = Path(url.removeprefix("file://"))
    assert verify(local).sound
    assert read_manifest(local) == read_manifest(url)


def test_it_is_no_checkpoint_before_its_manifest_is_there(
    url: str, monkeypatch: pytest.MonkeyPatch
):
    seen = []
    publish = TensorStoreWriter.finish

    def watch(self, metadata, results):
        seen.extend(path.name for path in files_of(url))
        with pytest.raises(CheckpointError, match=r"no complete checkpoint: no manifest\.json"):
            read_manifest(url)
        publish(self, metadata, results)

    monkeypatch.setattr(TensorStoreWriter, "finish", watch)
    save(url)
    assert "manifest.ocdbt" in seen
    assert "manifest.json" not in seen


def test_what_an_attempt_left_is_gone_after_the_next(url: str, monkeypatch: pytest.MonkeyPatch):
    def die(self, metadata, results):
        raise RuntimeError("killed")

    with monkeypatch.context() as context:
        context.setattr(TensorStoreWriter, "finish", die)
        with pytest.raises(RuntimeError, match="killed"):
            save(url)
    left = set(files_of(url))
    assert left
    save(url)
    assert not [path for path in left & set(files_of(url)) if path.name != "manifest.ocdbt"]
    assert verify(url).sound


def test_a_complete_checkpoint_is_not_written_over(url: str):
    save(url)
    with pytest.raises(CheckpointError, match="is complete already"):
        save(url, step=8)
    assert read_manifest(url).values == {"step": 7}


def test_discard_removes_what_was_written_and_nothing_that_is_complete(url: str):
    writer = TensorStoreWriter(url)
    save_tensors(STATE, writer)
    writer.discard()
    assert verify(url).sound
    place(url).remove()
    assert files_of(url) == []


def test_objects_of_others_are_named_and_stay(url: str):
    data = url.rpartition("/")[0]
    place(data).write("train/clips.tar", b"all that we have")
    place(f"{data}/step_00000007").write("arrays/left", b"by an attempt")
    with pytest.raises(
        CheckpointError, match=r"no checkpoint wrote: step.*left, train/clips\.tar;"
    ):
        save(data)
    assert place(data).files() == ["step_00000007/arrays/left", "train/clips.tar"]
    # Beside a checkpoint, and within one that goes, they stay as well.
    save(url)
    place(url).write("notes.txt", b"the best one")
    place(url).remove()
    assert place(data).files() == ["step_00000007/notes.txt", "train/clips.tar"]


def test_damage_is_found(url: str):
    save(url)
    for path in files_of(url):
        name = path.relative_to(url.removeprefix("file://")).as_posix()
        good = path.read_bytes()
        for bad in (good[:-1], good + b"x", good[:7], b"?" + good[1:], good[:-1] + b"?"):
            path.write_bytes(bad)
            faults = verify(url).faults
            assert name in faults or "weight" in faults, (name, faults)
            with pytest.raises(CheckpointError):
                restore(url)
        path.unlink()
        assert name in verify(url).faults
        path.write_bytes(good)
    assert verify(url).sound


def test_the_commands_take_urls(url: str, capsys: pytest.CaptureFixture):
    save(url)
    save(url.replace("_00000007", "_00000009"), step=9)
    bucket = url.partition("/checkpoints")[0]
    assert main(["checkpoint", "ls", bucket]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["7", "9"]
    assert main(["checkpoint", "show", bucket, "--step=7"]) == 0
    assert capsys.readouterr().out.startswith(f"{url}, saved 20")
    assert main(["checkpoint", "verify", bucket]) == 0
    assert main(["checkpoint", "diff", url, url.replace("_00000007", "_00000009")]) == 1
    assert main(["checkpoint", "ls", f"{bucket}/none"]) == 2
    assert "none is not there" in capsys.readouterr().err


def test_urls_of_other_kinds_are_refused():
    assert [is_place(where) for where in ("a/b", "gs://b/c", "s3://b", "http://b")] == [
        *(True, True, True, False),
    ]
    with pytest.raises(CheckpointError, match=r"gss://b: no such store; .* did you mean 'gs'\?"):
        place("gss://b")


def test_another_endpoint_than_aws(monkeypatch: pytest.MonkeyPatch):
    assert "endpoint" not in place("s3://bucket/run").spec()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    assert place("s3://bucket/run").spec() == {
        "driver": "s3",
        "bucket": "bucket",
        "path": "run/",
        "endpoint": "http://127.0.0.1:9000",
        "aws_region": "us-east-1",
    }
