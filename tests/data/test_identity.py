"""What a split's data are."""

from __future__ import annotations

import hashlib

from mirasol.data import identity


def test_a_file_is_known_by_its_checksum_and_its_name_below_the_root(tmp_path, monkeypatch):
    monkeypatch.setenv("MIRASOL_DATA", str(tmp_path))
    (tmp_path / "set").mkdir()
    path = tmp_path / "set" / "train.json"
    path.write_bytes(b"[1, 2]")
    found = identity.identity([path, tmp_path / "nothing.json"], rows=2)
    checksum = {"sha256": hashlib.sha256(b"[1, 2]").hexdigest(), "bytes": 6}
    assert found == {
        "files": {"set/train.json": checksum},
        "rows": 2,
        "with_media": None,
        "without_media": None,
    }


def test_a_long_file_is_known_by_its_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "_END", 4)
    path = tmp_path / "long.csv"

    def checksum(content):
        path.write_bytes(content)
        (found,) = identity.identity([path])["files"].values()
        assert found.keys() == {"sha256_of_ends", "bytes"}
        return found

    first = checksum(b"aaaa-bbbb-cccc")
    assert checksum(b"aaaa-xxxx-cccc") == first
    assert checksum(b"aaaa-bbbb-cccd") != first
    assert checksum(b"aaaa-bbbbb-cccc") != first


def test_a_task_that_says_nothing_has_no_facts():
    assert identity.of("somebody's", "train") == identity.identity([])
