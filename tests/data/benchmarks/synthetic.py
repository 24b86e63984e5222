"""Made-up annotations in the schemas of the official files, and where their media would lie.

Every writer takes the set's folder and writes the annotation of each split; it returns the media
names of the clips, by split, in official naming. No row here stands in any real file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

Media = dict[str, list[str]]

NEXT_TYPES = ("CW", "CH", "TN", "TP", "TC", "DC", "DL", "DO")
NEXT_OPTIONS = ["hums", "none", "paints kites", "naps", "waves"]
STOP_WORDS = ("the", "a", "is", "to")


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def msrvtt_qa(folder: Path) -> Media:
    media = {}
    for number, split in enumerate(("train", "val", "test")):
        rows = [
            {
                "answer": ["lantern", "two", "juggler"][question],
                "category_id": 30 + clip,
                "id": 1000 * number + 10 * clip + question,
                "question": f"{['what', 'how many', 'who'][question]} glows on raft {clip}?",
                "video_id": 90000 + 10 * number + clip,
            }
            for clip in range(2)
            for question in range(3)
        ]
        write_json(folder / f"{split}_qa.json", rows)
        media[split] = [f"video{90000 + 10 * number + clip}.mp4" for clip in range(2)]
    return media


def msvd_qa(folder: Path) -> Media:
    media = {}
    for number, split in enumerate(("train", "val", "test")):
        rows = [
            {
                "answer": "otter",
                "id": 1000 * number + clip,
                "question": f"what rows boat {clip}?",
                "video_id": 9000 + 10 * number + clip,
            }
            for clip in range(2)
        ]
        write_json(folder / f"{split}_qa.json", rows)
        media[split] = [f"vid{9000 + 10 * number}.avi", f"-made_Up{number}__3_9.avi"]
    lines = [f"-made_Up{number}__3_9 vid{9001 + 10 * number}" for number in range(3)]
    (folder / "youtube_mapping.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return media


def activitynet_qa(folder: Path) -> Media:
    media = {}
    for number, split in enumerate(("train", "val", "test")):
        name = f"_mock_{number}-x"
        rows = [
            {
                "video_name": name,
                "question": f"is sled {kind} red ",
                "question_id": f"v_{name}_{kind}",
            }
            for kind in range(9)
        ]
        answers = [
            {"answer": f"word {kind}", "type": kind, "question_id": f"v_{name}_{kind}"}
            for kind in range(9)
        ]
        write_json(folder / f"{split}_q.json", rows)
        write_json(folder / f"{split}_a.json", answers[::-1])
        media[split] = [f"v_{name}.mp4"]
    return media


def nextqa_mc(folder: Path) -> Media:
    head = ["video", "frame_count", "width", "height", "question", "answer", "qid", "type"]
    media, places = {}, {}
    for number, split in enumerate(("train", "val", "test")):
        video = f"77000{number}"
        rows = [
            [video, 40, 64, 48, f"why did clown {i} stop", i % 5, i, kind, *NEXT_OPTIONS]
            for i, kind in enumerate(NEXT_TYPES)
        ]
        write_csv(folder / f"{split}.csv", [[*head, "a0", "a1", "a2", "a3", "a4"], *rows])
        places[video] = f"99{number:02d}/{video}"
        media[split] = [f"{places[video]}.mp4"]
    write_json(folder / "map_vid_vidorID.json", places)
    return media


def nextqa_oe(folder: Path) -> Media:
    head = ["video", "frame_count", "width", "height", "question", "answer", "qid", "type"]
    media, references = {}, {}
    for number, split in enumerate(("train", "val", "test")):
        video = f"88000{number}"
        rows = [
            [video, 40, 64, 48, f"why did mime {i} stop", "to paint kites", i, kind]
            for i, kind in enumerate((*NEXT_TYPES, "DB"))
        ]
        if split == "train":
            rows.append([video, 40, 64, 48, "where did mime 0 stop", "pier", 0, "DL"])
        else:
            references[video] = {str(i): "for fun" for i in range(9)}
        write_csv(folder / f"{split}.csv", [head, *rows])
        media[split] = [f"{video}.mp4"]
    write_json(folder / "add_reference_answer_test.json", references)
    (folder / "stopwords.txt").write_text("\n".join(STOP_WORDS) + "\n", encoding="utf-8")
    return media


def vggsound(folder: Path) -> Media:
    labels = ["kettle singing", "drums, distant", "gull crying"]
    rows = [
        ["-_madeup0" + str(i), 7 * i, labels[i % 3], "test" if i % 2 else "train"] for i in range(6)
    ]
    write_csv(folder / "vggsound.csv", rows)
    names = [(split, f"{ytid}_{start:06d}.mp4") for ytid, start, _, split in rows]
    return {split: [name for each, name in names if each == split] for split in ("train", "test")}


def epic_sounds(folder: Path) -> Media:
    head = ["annotation_id", "participant_id", "video_id", "start_timestamp", "stop_timestamp"]
    head += ["start_sample", "stop_sample"]
    classes = ["pan scrape", "tap", "lid / pot clash"]
    media = {}
    names = {
        "train": "EPIC_Sounds_train",
        "validation": "EPIC_Sounds_validation",
        "test": "EPIC_Sounds_recognition_test_timestamps",
    }
    for number, (split, name) in enumerate(names.items()):
        video = f"P9{number}_1{number}"
        rows: list[list[object]] = [
            [f"{video}_{i}", f"P9{number}", video, f"00:00:00.{i}50", f"00:00:00.{i}90", 0, 1]
            for i in range(4)
        ]
        known = ["description", "class", "class_id"]
        if split != "test":
            rows = [[*row, "made up", classes[i % 3], i % 3] for i, row in enumerate(rows)]
        write_csv(folder / f"{name}.csv", [head + (known if split != "test" else []), *rows])
        media[split] = [f"P9{number}/videos/{video}.MP4"]
    return media


def kinetics_sounds(folder: Path) -> Media:
    head = ["label", "youtube_id", "time_start", "time_end", "split", "is_cc"]
    media = {}
    labels = ["tap dancing", "knitting", "strumming guitar", "tickling"]
    for split in ("train", "val", "test"):
        rows = [
            [label, f"-{split}{i}", 3 * i, 3 * i + 10, split, 0] for i, label in enumerate(labels)
        ]
        write_csv(folder / f"{split}.csv", [head, *rows])
        media[split] = [
            f"{label}/-{split}{i}_{3 * i:06d}_{3 * i + 10:06d}.mp4"
            for i, label in enumerate(labels)
            if label != "knitting"
        ]
    return media


SETS: dict[str, Callable[[Path], Media]] = {
    each.__name__: each
    for each in (
        msrvtt_qa,
        msvd_qa,
        activitynet_qa,
        nextqa_mc,
        nextqa_oe,
        vggsound,
        epic_sounds,
        kinetics_sounds,
    )
}
# (clips, questions) of each split whose media are all there.
COUNTS = {
    "msrvtt_qa": {"train": (2, 6), "validation": (2, 6), "test": (2, 6)},
    "msvd_qa": {"train": (2, 2), "validation": (2, 2), "test": (2, 2)},
    "activitynet_qa": {"train": (1, 9), "validation": (1, 9), "test": (1, 9)},
    "nextqa_mc": {"train": (1, 8), "validation": (1, 8), "test": (1, 8)},
    "nextqa_oe": {"train": (1, 10), "validation": (1, 9), "test": (1, 9)},
    "vggsound": {"train": (3, 3), "test": (3, 3)},
    "epic_sounds": {"train": (4, 4), "validation": (4, 4), "test": (4, 4)},
    "kinetics_sounds": {"train": (3, 3), "validation": (3, 3), "test": (3, 3)},
}


def make(root: Path, name: str, media_file: Path | None = None) -> Path:
    """Writes a set under a data root; its media are copies of `media_file`, or empty files."""
    folder = root / name
    folder.mkdir(parents=True)
    content = media_file.read_bytes() if media_file else b""
    for names in SETS[name](folder).values():
        for media in names:
            path = folder / media
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return folder
