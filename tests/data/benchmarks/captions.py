"""Made-up sets of captions in the schemas of the official files, a clip each, and two manifests."""

from __future__ import annotations

from pathlib import Path

from synthetic import write_csv, write_json

# Set -> (question, answer) of what is told about its clip.
CAPTIONS = {
    "webvid": [("describe the video", "a mock gull")],
    "howto100m": [("what is said", "knit one")],
    "internvid": [("describe the video", "a mock raft")],
    "valor": [("describe the video", "a gull")],
    "vast": [
        ("describe the video", "both"),
        ("describe what is seen", "a pier"),
        ("describe what is heard", "a horn"),
    ],
}


def write_captions(root: Path, media: Path) -> None:
    """Writes the sets and the manifests under a data root; their media are copies of `media`."""
    folders = {name: root / name for name in CAPTIONS}
    for folder in folders.values():
        (folder / "videos").mkdir(parents=True)
        (folder / "videos" / "mock.mp4").write_bytes(media.read_bytes())
    rows = [["videoid", "name", "page_dir"], ["mock", "a mock gull", ""]]
    write_csv(folders["webvid"] / "results_2M_train.csv", rows)
    spoken = {"mock": {"start": [0.2], "end": [1.1], "text": ["knit one"]}}
    write_json(folders["howto100m"] / "caption.json", spoken)
    times = {"Start_timestamp": "00:00:00.100", "End_timestamp": "00:00:01.200"}
    row = {"YoutubeID": "mock", **times, "Caption": "a mock raft"}
    write_json(folders["internvid"] / "mock.jsonl", row)
    write_json(folders["valor"] / "d.json", [{"video_id": "mock", "desc": "a gull"}])
    row = {"clip_id": "mock", "vision_cap": ["a pier"], "audio_cap": ["a horn"], "vast_cap": "both"}
    write_json(folders["vast"] / "a.json", [row])
    _write_manifests(root, media)


def _write_manifests(root: Path, media: Path) -> None:
    """Writes manifest.jsonl and manifest.csv: a clip, and one whose file is not there."""
    lines = [
        f'{{"media": "{media.name}", "label": "gull", "references": ["bird"]}}',
        '{"media": "lost.mp4", "label": "gull"}',
    ]
    (root / "manifest.jsonl").write_text("\n".join(lines), encoding="utf-8")
    rows = [["media", "label", "references"], [media.name, "gull", "bird|fowl"]]
    write_csv(root / "manifest.csv", [*rows, ["lost.mp4", "gull", ""]])
