"""What is opened: files of this machine that hold their media themselves, and nothing else."""

from __future__ import annotations

import os
import socket

import av
import pytest
from coded_media import Clip, numbers

from mirasol.data.containers import FORMATS, MediaError
from mirasol.data.media import MediaFile, clip_span, decode_video
from mirasol.data.root import data_root

PLAYLISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n{}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile {}\n",
    "mpd": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
    'mediaPresentationDuration="PT2S" type="static">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
    "<BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns={}\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "asx": '<asx version="3.0"><entry><ref href="{}"/></entry></asx>\n',
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("containers")
    Clip().write(folder / "clip.mp4")
    Clip().write(folder / "clip.ts")
    return folder


def test_without_the_list_of_formats_a_playlist_is_followed(folder):
    # So what is refused below would be opened by FFmpeg.
    playlist = folder / "followed.mp4"
    playlist.write_text(PLAYLISTS["ffconcat"].format("clip.mp4"))
    with av.open(str(playlist)) as container:
        assert container.format.name == "concat"
        assert next(container.decode(video=0)).width == 64


@pytest.mark.parametrize("extension", ["own", "mp4"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_is_not_followed_to_a_file(folder, kind, extension):
    path = folder / f"{kind}_list.{kind if extension == 'own' else extension}"
    path.write_text(PLAYLISTS[kind].format("clip.ts"))
    with pytest.raises(MediaError, match=rf"{path.name}: it (is of no format|cannot be decoded)"):
        clip_span(str(path), None, None)


@pytest.mark.parametrize("extension", ["own", "mp4"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_is_not_followed_to_an_address(folder, kind, extension):
    path = folder / f"{kind}_address.{kind if extension == 'own' else extension}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        path.write_text(PLAYLISTS[kind].format(f"http://127.0.0.1:{server.getsockname()[1]}/x.ts"))
        with pytest.raises(MediaError, match=path.name):
            clip_span(str(path), None, None)
        with pytest.raises(BlockingIOError):  # Nobody has called.
            server.accept()


@pytest.mark.parametrize(
    "name",
    [
        "concat:{0}/clip.ts|{0}/clip.ts",
        "subfile,,start,0,end,9999,,:{0}/clip.ts",
        "file:{0}/clip.ts",
    ],
)
def test_a_protocol_is_taken_for_a_path(folder, name):
    with pytest.raises(MediaError, match="no such file"):
        clip_span(name.format(folder), None, None)


@pytest.mark.parametrize("scheme", ["http", "https", "rtsp", "file", "gs", "s3"])
def test_an_address_is_refused(folder, scheme):
    with pytest.raises(MediaError, match=r"it is an address; .* copy or mount the store"):
        clip_span(f"{scheme}://localhost{folder}/clip.mp4", None, None)


def test_a_name_with_a_colon_is_a_name(folder):
    path = folder / "concat:clip_00:00:02.500.mp4"
    os.link(folder / "clip.mp4", path)
    assert numbers(decode_video(str(path), [0.5], 32)) == [12]


def test_a_relative_path_is_read(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert numbers(decode_video("clip.mp4", [0.5], 32)) == [12]


def test_what_is_no_regular_file_is_refused(folder):
    with pytest.raises(MediaError, match="no regular file"):
        clip_span(str(folder), None, None)
    os.mkfifo(folder / "pipe.mp4")  # Opening it would wait for ever.
    with pytest.raises(MediaError, match="no regular file"):
        clip_span(str(folder / "pipe.mp4"), None, None)
    with pytest.raises(MediaError, match="no such file"):
        clip_span(str(folder / "gone.mp4"), None, None)
    with pytest.raises(MediaError, match="cannot be decoded"):
        clip_span(str(folder / "a\0.mp4"), None, None)


def test_a_file_that_may_not_be_read_is_named(folder, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(MediaError, match=r"clip\.mp4: it cannot be decoded \(Permission denied\)"):
        MediaFile(str(folder / "clip.mp4"))


def test_the_formats_are_ones_that_ffmpeg_has():
    assert set(FORMATS) <= av.formats_available


def test_a_root_in_an_object_store_is_refused(monkeypatch):
    monkeypatch.setenv("MIRASOL_DATA", "gs://bucket/data")
    with pytest.raises(ValueError, match=r"MIRASOL_DATA is 'gs://bucket/data': object stores"):
        data_root()
