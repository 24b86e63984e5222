"""What the submission of each set must look like, said once more, by its annotation files alone."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path


def read_json(stem: Path):
    return json.loads(stem.with_name(f"{stem.name}.json").read_text(encoding="utf-8"))


def rows_of(path: Path) -> list[dict]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def is_words(folder, stem, answers):
    asked = {row["id"] for row in json.loads((folder / "test_qa.json").read_text())}
    lost = {2010, 2011, 2012} if folder.name == "msrvtt_qa" else set()
    submitted = read_json(stem)
    assert all(set(row) == {"id", "answer"} for row in submitted)
    assert Counter(row["id"] for row in submitted) == Counter(asked - lost)
    assert {str(row["id"]): row["answer"] for row in submitted} == answers


def is_activitynet(folder, stem, answers):
    asked = [row["question_id"] for row in json.loads((folder / "test_a.json").read_text())]
    submitted = read_json(stem)
    assert all(set(row) == {"question_id", "answer"} for row in submitted)
    assert sorted(row["question_id"] for row in submitted) == sorted(asked)
    assert {row["question_id"]: row["answer"] for row in submitted} == answers


def is_options(folder, stem, answers):
    asked = {f"{row['video']}_{row['qid']}": row for row in rows_of(folder / "test.csv")}
    submitted = read_json(stem)
    assert submitted.keys() == asked.keys() == answers.keys()
    for name, given in submitted.items():
        assert given["answer"] == int(asked[name]["answer"])
        number = given["prediction"]
        assert type(number) is int
        assert -1 <= number < 5
        if number >= 0:
            assert asked[name][f"a{number}"] == answers[name]


def is_open(folder, stem, answers):
    asked = {(row["video"], row["qid"]) for row in rows_of(folder / "test.csv")}
    submitted = read_json(stem)
    given = {(video, qid): text for video, each in submitted.items() for qid, text in each.items()}
    assert given.keys() == asked
    assert {f"{video}_{qid}": text for (video, qid), text in given.items()} == answers


def is_vggsound(folder, stem, answers):
    with (folder / "vggsound.csv").open(newline="") as file:
        asked = [row for row in csv.reader(file) if row[3] == "test"]
    with stem.with_name(f"{stem.name}.csv").open(newline="") as file:
        submitted = dict(csv.reader(file))
    assert set(submitted) == {f"{ytid}_{int(start):06d}.mp4" for ytid, start, _, _ in asked}
    assert {name.removesuffix(".mp4"): label for name, label in submitted.items()} == answers


def is_epic(folder, stem, answers):
    asked = rows_of(folder / "EPIC_Sounds_validation.csv")
    submitted = read_json(stem)
    assert submitted["version"] == "0.1"
    assert submitted["challenge"] == "audio_based_interaction_recognition"
    assert {"sls_pt", "sls_tl", "sls_td", "t_mod"} <= submitted.keys()
    assert submitted["results"].keys() == {row["annotation_id"] for row in asked}
    number = {row["class"]: row["class_id"] for row in asked}
    for name, scores in submitted["results"].items():
        classes = scores["interaction"]
        assert set(classes) == set(number.values())
        assert max(classes, key=classes.get) == number[answers[name]]


def is_kinetics(folder, stem, answers):
    asked = rows_of(folder / "val.csv")
    submitted = read_json(stem)
    assert submitted["version"] == "KINETICS VERSION 1.0"
    known = {row["youtube_id"] for row in asked if row["label"] != "knitting"}
    assert submitted["results"].keys() == known
    for name, text in answers.items():
        (first, *_) = submitted["results"][name.rsplit("_", 2)[0]]
        assert first == {"label": text, "score": 1.0}


SUBMISSIONS = {
    "msrvtt_qa": is_words,
    "msvd_qa": is_words,
    "activitynet_qa": is_activitynet,
    "nextqa_mc": is_options,
    "nextqa_oe": is_open,
    "vggsound": is_vggsound,
    "epic_sounds": is_epic,
    "kinetics_sounds": is_kinetics,
}
