"""The tasks of AV-Shapes, in a process of their own: TensorFlow must not enter this one."""

import json
import os
import subprocess
import sys

import pytest

from mirasol.data.av_shapes.maker import ensure_made
from mirasol.data.av_shapes.scenes import SCENE, clip_generator, draw_scene
from mirasol.data.av_shapes.spec import FAMILIES, variant
from mirasol.data.references import ClipReference

SPEC = variant("av_shapes_tiny")

# Prints, as JSON, what the tasks of the tiny variant yield.
READER = """
import json, os, pathlib
import mirasol.tasks
from mirasol.data.source import import_seqio

seqio = import_seqio()

registered = sorted(n for n in seqio.TaskRegistry.names() if n.startswith("av_shapes_tiny"))
touched = pathlib.Path(os.environ["MIRASOL_DATA"]).exists()

def read(name, split, **options):
    dataset = seqio.get_mixture_or_task(name).get_dataset(
        sequence_length=None, split=split, num_epochs=1, **options)
    return [{"media": e["media"].decode(), "start": float(e["start"]), "end": float(e["end"]),
             "rows": [row.decode() for row in e["rows"]]} for e in dataset.as_numpy_iterator()]

examples = {name: read(name, "validation", shuffle=False) for name in registered}
mixture = read("av_shapes_tiny", "validation", shuffle=False)
shuffled = [[e["media"] for e in read("av_shapes_tiny_joint", "train", shuffle=True, seed=seed)]
            for seed in (1, 1, 2)]
metric = seqio.TaskRegistry.get("av_shapes_tiny_joint").predict_metric_fns[0].__name__
print(json.dumps(dict(registered=registered, touched=touched, examples=examples, mixture=mixture,
                      shuffled=shuffled, metric=metric)))
"""


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Returns what READER prints; the set does not exist beforehand."""
    root = tmp_path_factory.mktemp("data") / "made by the first use"
    environment = {**os.environ, "MIRASOL_DATA": str(root), "CUDA_VISIBLE_DEVICES": ""}
    finished = subprocess.run(
        [sys.executable, "-c", READER], env=environment, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    assert f"Making av_shapes_tiny: 96 clips of 1.28 s with their questions in {root}" in (
        finished.stderr
    )
    return json.loads(finished.stdout) | {"root": root}


def test_registration_reads_and_writes_nothing(read):
    suffixes = (*FAMILIES, "joint", "motion", "parts", "captions", "chunk_captions")
    assert read["registered"] == sorted(f"av_shapes_tiny_{suffix}" for suffix in suffixes)
    assert not read["touched"]
    assert read["metric"] == "exact_match_by_type"


def test_an_example_is_a_clip_with_the_questions_of_its_families(read):
    joint = [ClipReference.from_features(e) for e in read["examples"]["av_shapes_tiny_joint"]]
    folder = ensure_made(SPEC, read["root"])
    assert [clip.media for clip in joint] == [
        str(folder / "videos" / f"video{number}.mp4") for number in range(48, 72)
    ]
    assert all(clip.start_s is None and clip.end_s is None for clip in joint)
    rows = json.loads((folder / "validation_qa.json").read_text())
    expected = [row for row in rows if row["type"] in FAMILIES]
    questions = [question for clip in joint for question in clip.questions]
    assert [{**row, "origin": f"validation_qa.json row {row['id']}"} for row in expected] == [
        question.row for question in questions
    ]


def test_families_and_parts_share_out_the_questions(read):
    for suffix in (*FAMILIES, "motion"):
        clips = map(ClipReference.from_features, read["examples"][f"av_shapes_tiny_{suffix}"])
        assert {question.type for clip in clips for question in clip.questions} == {suffix}
    mixed = {
        question.type
        for example in read["mixture"]
        for question in ClipReference.from_features(example).questions
    }
    assert mixed == set(FAMILIES)


def test_single_chunks_are_asked_about_in_rows_that_name_them(read):
    clips = [ClipReference.from_features(e) for e in read["examples"]["av_shapes_tiny_parts"]]
    assert len(clips) == SPEC.validation
    for clip in clips:
        assert [q.row["part"] for q in clip.questions] == sorted([1, 2, 3, 4] * 4)
        for part in range(4):
            asked = clip.questions[4 * part : 4 * part + 4]
            words = {q.prompt.split()[1] for q in asked}
            assert words == {"colour", "shape", "way", "sound"}


def test_captions_say_what_the_clips_show_and_sound(read):
    """Against the scenes that the clips were drawn from."""
    clips = [ClipReference.from_features(e) for e in read["examples"]["av_shapes_tiny_captions"]]
    chunks = read["examples"]["av_shapes_tiny_chunk_captions"]
    assert len(clips) == len(chunks) == SPEC.validation
    tones = {"silence": "silence", "noise": "the noise", "low": "the low tone"}
    for index, (clip, example) in enumerate(zip(clips, chunks, strict=True)):
        random = clip_generator(SPEC, "validation", index, SCENE)
        told = [
            f"{event.thing.colour} {event.thing.shape} going {event.thing.way} with "
            f"{tones.get(event.sound.kind, 'the high tone')}"
            for event in draw_scene(SPEC, random).events
        ]
        (whole,) = clip.questions
        assert whole.answer == " before ".join(told)
        assert (whole.row["part"], whole.type) == (0, "caption")
        alone = ClipReference.from_features(example).questions
        assert [(q.row["part"], q.answer) for q in alone] == list(enumerate(told, 1))
        assert len({whole.id, *(q.id for q in alone)}) == 5
        assert clip.media == ClipReference.from_features(example).media


def test_shuffling_follows_the_seed(read):
    first, again, other = read["shuffled"]
    assert first == again != other
    assert sorted(first) == sorted(other)
    assert len(set(first)) == SPEC.train
