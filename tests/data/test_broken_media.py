"""The policy by itself; its work in batches is tested in test_loader.py."""

from __future__ import annotations

import pytest

from mirasol.data.broken_media import BrokenMediaError, Skip, Stop, Watch
from mirasol.data.media import MediaError
from mirasol.data.references import ClipReference

ERROR = MediaError("a.mp4", "no such file", "qa.json row 7")


def clip(media: str) -> ClipReference:
    return ClipReference(media, None, None, (), "qa.json row 7")


def broken():
    raise ERROR


def test_skipping_bears_a_share():
    policy = Skip(max_share=0.1)
    policy.judge(ERROR, broken=10, tried=11)  # Of the first hundred, ten may be broken.
    policy.judge(ERROR, broken=100, tried=1000)
    for count, tried in [(11, 11), (101, 1000)]:
        with pytest.raises(
            BrokenMediaError, match=rf"{count} of the {tried} clips .*row 7.*check-data"
        ):
            policy.judge(ERROR, count, tried)


def test_stopping_names_file_and_row():
    with pytest.raises(MediaError, match=r"a\.mp4: no such file \(asked for by qa\.json row 7\)"):
        Watch(Stop()).attempt(clip("a.mp4"), broken)


def test_a_broken_clip_is_opened_once_and_told_each_time():
    watch, opened = Watch(Skip()), []

    def make():
        opened.append(1)
        raise ERROR

    assert watch.attempt(clip("b.mp4"), lambda: "made") == "made"
    assert watch.found() == ()
    assert [watch.attempt(clip("a.mp4"), make) for _ in range(3)] == [None] * 3
    assert watch.found() == (ERROR,) * 3
    assert watch.found() == ()
    assert opened == [1]


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_between_none_and_all(share):
    with pytest.raises(ValueError, match="max_share"):
        Skip(max_share=share)
