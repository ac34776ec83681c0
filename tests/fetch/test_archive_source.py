"""Source ``archive``: clips inside of tar, tar.gz and zip files, kind and unkind."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from clip_maker import make_clip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vggss_tools.clips import Clip
from vggss_tools.errors import ClipFailure, FailureKind, InvalidInput, VggssError
from vggss_tools.fetch.archive import ArchiveSource
from vggss_tools.fetch.source import FetchRequest

CLIPS = [Clip(f"video{n:06d}_{n:06d}", "dog barking", "test") for n in range(20)]
MEMBERS = {f"some/where/{clip.clip_id}.mp4": clip.clip_id.encode() * 999 for clip in CLIPS}


def make_tar(path: Path, members: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def make_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


MAKERS: dict[str, Callable[[Path, Mapping[str, bytes]], Path]] = {
    "tar": make_tar,
    "tar.gz": lambda path, members: make_tar(path, members, "w:gz"),
    "zip": make_zip,
}


def files_in(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}


def take(source: ArchiveSource, clip: Clip, folder: Path) -> bytes:
    target = folder / f"{clip.clip_id}.mp4"
    source.fetch(FetchRequest.of(clip), target)
    return target.read_bytes()


@pytest.mark.parametrize("form", MAKERS)
def test_every_clip_comes_whatever_the_order(tmp_path: Path, form: str) -> None:
    """Clips come byte for byte, in the archive's order or in any other, and no other file."""
    path = MAKERS[form](tmp_path / f"clips.{form}", MEMBERS)
    out = tmp_path / "out"
    out.mkdir()
    for order in (CLIPS, CLIPS[::-1], CLIPS[10:] + CLIPS[:10]):
        source = ArchiveSource(str(path), CLIPS)
        for clip in order:
            assert take(source, clip, out) == clip.clip_id.encode() * 999
        source.close()
        assert files_in(out) == {f"{clip.clip_id}.mp4" for clip in CLIPS}


@pytest.mark.parametrize("form", MAKERS)
def test_threads_share_one_reading(tmp_path: Path, form: str) -> None:
    """Several threads that ask at once each get their own clip."""
    path = MAKERS[form](tmp_path / f"clips.{form}", MEMBERS)
    source = ArchiveSource(str(path), CLIPS)
    got: dict[str, bytes] = {}

    def work(clips: list[Clip]) -> None:
        for clip in clips:
            got[clip.clip_id] = take(source, clip, tmp_path)

    threads = [threading.Thread(target=work, args=(CLIPS[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source.close()
    assert got == {clip.clip_id: clip.clip_id.encode() * 999 for clip in CLIPS}


def test_a_compressed_archive_is_read_in_its_order(tmp_path: Path) -> None:
    """Clips are arranged as the archives hold them, and only those are kept on the way."""
    names = list(MEMBERS)
    first = make_tar(tmp_path / "1.tar.gz", {n: MEMBERS[n] for n in names[:10][::-1]}, "w:gz")
    make_tar(tmp_path / "2.tar.gz", {n: MEMBERS[n] for n in names[10:]}, "w:gz")
    source = ArchiveSource(str(tmp_path / "*.tar.gz"), CLIPS)
    missing = Clip("videoxxxxxx_000000", "dog barking", "test")
    arranged = source.arranged([missing, *CLIPS[8:12]])
    assert arranged == [CLIPS[9], CLIPS[8], CLIPS[10], CLIPS[11], missing]
    out = tmp_path / "out"
    out.mkdir()
    take(source, CLIPS[8], out)  # passes CLIPS[9], which will be asked for
    assert len(files_in(out)) == 2
    source.close()
    assert files_in(out) == {f"{CLIPS[8].clip_id}.mp4"}
    assert first.is_file()


@pytest.mark.parametrize("form", MAKERS)
def test_a_whole_video_serves_several_clips(tmp_path: Path, form: str) -> None:
    """A video in an archive is unpacked for each of its clips, which start where they start."""
    video = make_clip(tmp_path / "video.mp4", fps="5", seconds=25).read_bytes()
    pair = [Clip(f"aaaaaaaaaaa_{start:06d}", "x", "test") for start in (5, 12)]
    path = MAKERS[form](tmp_path / f"a.{form}", {"aaaaaaaaaaa.mp4": video, **MEMBERS})
    out = tmp_path / "out"
    out.mkdir()
    source = ArchiveSource(str(path), pair)
    for clip in source.arranged(pair):
        target = out / f"{clip.clip_id}.mp4"
        assert source.fetch(FetchRequest.of(clip), target).offset == clip.start
        assert target.read_bytes() == video
    source.close()
    assert len(files_in(out)) == 2


# ------------------------------------------------------------------------------- hostile archives


@pytest.mark.parametrize("form", MAKERS)
def test_names_never_become_paths(tmp_path: Path, form: str) -> None:
    """`../`, absolute and strange names write nothing but the clip, where it belongs."""
    name = CLIPS[0].clip_id
    hostile = {
        f"../../{name}.mp4": b"clip",
        "/etc/passwd.mp4": b"x",
        "..\\..\\evil.mp4": b"x",
        "a\nb\x1b[31m.mp4": b"x",
        "." * 200 + "/../x.mp4": b"x",
    }
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    path = MAKERS[form](tmp_path / f"a.{form}", hostile)
    before = files_in(tmp_path)
    source = ArchiveSource(str(path), CLIPS)
    assert take(source, CLIPS[0], folder) == b"clip"
    source.close()
    assert files_in(tmp_path) - before == {f"deep/deeper/{name}.mp4"}
    assert all(line.isprintable() for line in source.notes())


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_links_and_devices_are_passed_over(tmp_path: Path, mode: str) -> None:
    """A member that is a link or a device is no clip, whatever its name."""
    path = tmp_path / "a.tar"
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
        for clip, kind in zip(CLIPS, kinds, strict=False):
            info = tarfile.TarInfo(f"{clip.clip_id}.mp4")
            info.type = kind
            info.linkname = "/etc/passwd"
            tar.addfile(info)
        folder = tarfile.TarInfo(f"{CLIPS[4].clip_id}.mp4")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    source = ArchiveSource(str(path), CLIPS)
    for clip in CLIPS[:5]:
        with pytest.raises(ClipFailure) as caught:
            take(source, clip, tmp_path)
        assert caught.value.kind is FailureKind.NOT_FOUND


def test_links_in_a_zip_are_passed_over(tmp_path: Path) -> None:
    """A symbolic link in a zip file is no clip."""
    info = zipfile.ZipInfo(f"{CLIPS[0].clip_id}.mp4")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(info, "/etc/passwd")
    with pytest.raises(ClipFailure) as caught:
        take(ArchiveSource(str(tmp_path / "a.zip"), CLIPS), CLIPS[0], tmp_path)
    assert caught.value.kind is FailureKind.NOT_FOUND


def test_a_bomb_in_a_zip_is_refused(tmp_path: Path) -> None:
    """A member that grows five hundredfold is not unpacked, and the others are."""
    path = make_zip(
        tmp_path / "a.zip",
        {f"{CLIPS[0].clip_id}.mp4": bytes(1 << 28), f"{CLIPS[1].clip_id}.mp4": b"clip"},
    )
    source = ArchiveSource(str(path), CLIPS)
    target = tmp_path / "out.mp4"
    with pytest.raises(ClipFailure, match="grows to 268,435,456 bytes") as caught:
        source.fetch(FetchRequest.of(CLIPS[0]), target)
    assert caught.value.kind is FailureKind.CORRUPT
    assert not target.exists()
    assert take(source, CLIPS[1], tmp_path) == b"clip"


def test_a_bomb_in_a_tar_is_refused(tmp_path: Path) -> None:
    """A tar.gz that grows beyond measure is read up to there, and what lies before it comes."""
    path = tmp_path / "a.tar.gz"
    make_tar(
        path,
        {
            f"{CLIPS[0].clip_id}.mp4": b"clip",
            f"{CLIPS[1].clip_id}.mp4": bytes(1 << 28),
            f"{CLIPS[2].clip_id}.mp4": b"behind it",
        },
        "w:gz",
    )
    source = ArchiveSource(str(path), CLIPS)
    assert take(source, CLIPS[0], tmp_path) == b"clip"
    with pytest.raises(ClipFailure) as caught:
        take(source, CLIPS[2], tmp_path)
    assert caught.value.kind is FailureKind.CORRUPT
    assert "no video does" in " ".join(source.notes())


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("packed", [False, True])
def test_a_header_does_not_fill_the_memory(tmp_path: Path, kind: bytes, packed: bool) -> None:
    """A member's name or attributes of a gigabyte are refused before they are read."""
    info = tarfile.TarInfo("long")
    info.type = kind
    info.size = 1 << 30
    data = info.tobuf() + bytes(1 << 20)
    path = tmp_path / "a.tar"
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(InvalidInput, match=r"a header of 1,073,741,8\d\d bytes"):
        ArchiveSource(str(path), CLIPS).setup()


@pytest.mark.parametrize("packed", [False, True])
def test_a_negative_size_does_not_go_in_circles(tmp_path: Path, packed: bool) -> None:
    """A member that says to be shorter than nothing ends the reading there."""
    path = make_tar(tmp_path / "a.tar", {f"{CLIPS[0].clip_id}.mp4": b"clip"})
    info = tarfile.TarInfo("negative")
    info.size = -1024
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    data = path.read_bytes()[:1024] + bytes(header) + bytes(1024)
    path.write_bytes(gzip.compress(data) if packed else data)
    source = ArchiveSource(str(path), CLIPS)
    assert take(source, CLIPS[0], tmp_path) == b"clip"
    assert "negative size" in " ".join(source.notes())


def test_an_encrypted_member_is_one_clip_that_fails(tmp_path: Path) -> None:
    """Without its password a member cannot be read, which is said."""
    path = make_zip(tmp_path / "a.zip", {f"{CLIPS[0].clip_id}.mp4": b"clip"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ClipFailure, match="encrypted") as caught:
        take(ArchiveSource(str(path), CLIPS), CLIPS[0], tmp_path)
    assert caught.value.kind is FailureKind.CORRUPT


# ------------------------------------------------------------------------------- damaged archives


@pytest.mark.parametrize("form", ["tar", "tar.gz"])
def test_what_lies_before_the_damage_is_taken(tmp_path: Path, form: str) -> None:
    """Of a tar that was cut short the first clips come; the others may come from a whole one."""
    rng = os.urandom
    members = {f"{clip.clip_id}.mp4": rng(50_000) for clip in CLIPS}
    path = MAKERS[form](tmp_path / f"a.{form}", members)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    source = ArchiveSource(str(path), CLIPS)
    out = tmp_path / "out"
    out.mkdir()
    assert take(source, CLIPS[0], out) == members[f"{CLIPS[0].clip_id}.mp4"]
    with pytest.raises(ClipFailure, match="damaged behind") as caught:
        take(source, CLIPS[-1], out)
    assert caught.value.kind is FailureKind.TRUNCATED
    assert any("damaged behind" in line for line in source.notes())


@pytest.mark.parametrize(
    "content", [b"", b"hello" * 200, b"BZh9" + bytes(600), b"PK\x03\x04", b"\x1f\x8b"]
)
def test_what_is_no_archive_is_one_line(tmp_path: Path, content: bytes) -> None:
    """Another file is refused with its name, before any clip is asked for."""
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        ArchiveSource(str(path), CLIPS).setup()
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message


@given(form=st.sampled_from(sorted(MAKERS)), place=st.floats(0, 1), data=st.binary(max_size=600))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_no_damage_is_a_traceback(tmp_path: Path, form: str, place: float, data: bytes) -> None:
    """Whatever is written over a part of an archive, each clip comes whole or fails in one line."""
    path = MAKERS[form](tmp_path / f"a.{form}", dict(list(MEMBERS.items())[:4]))
    content = bytearray(path.read_bytes())
    start = int(place * len(content))
    content[start : start + len(data)] = data
    path.write_bytes(content)
    try:
        source = ArchiveSource(str(path), CLIPS[:4])
        source.setup()
    except VggssError as error:
        said = error.message
    else:
        said = ""
    assert "\n" not in said
    if said:
        return
    for clip in CLIPS[:4]:
        target = tmp_path / "out.mp4"
        kind = None
        try:
            source.fetch(FetchRequest.of(clip), target)
        except ClipFailure as failure:
            said, kind = failure.message, failure.kind
        assert "\n" not in said
        assert kind is None or not kind.fatal
        if kind is None and form != "tar":  # a plain tar has no checksums of its files
            assert len(target.read_bytes()) == len(clip.clip_id) * 999
    source.close()


# ------------------------------------------------------------------------------------------ paths


def test_a_pattern_stands_for_several(tmp_path: Path) -> None:
    """All archives that match are read, a clip that two of them hold is reported."""
    names = list(MEMBERS)
    for number in (1, 2):
        make_tar(
            tmp_path / f"part{number}.tar", {n: MEMBERS[n] for n in names[number : number + 2]}
        )
    source = ArchiveSource(str(tmp_path / "part*.tar"), CLIPS)
    assert take(source, CLIPS[1], tmp_path) == MEMBERS[names[1]]
    assert take(source, CLIPS[3], tmp_path) == MEMBERS[names[3]]
    with pytest.raises(ClipFailure, match=r"2 files claim it .*part1\.tar.*part2\.tar"):
        take(source, CLIPS[2], tmp_path)


def test_a_missing_archive_is_refused(tmp_path: Path) -> None:
    """No file, a folder and a pattern that nothing matches are said at once."""
    with pytest.raises(VggssError, match="no such file"):
        ArchiveSource(str(tmp_path / "none.tar"), CLIPS)
    with pytest.raises(VggssError, match="a folder"):
        ArchiveSource(str(tmp_path), CLIPS)


def test_it_travels_to_other_processes(tmp_path: Path) -> None:
    """A copy in another process finds the same clips."""
    path = make_zip(tmp_path / "a.zip", MEMBERS)
    source = pickle.loads(pickle.dumps(ArchiveSource(str(path), CLIPS)))
    source.setup()
    assert take(source, CLIPS[5], tmp_path) == CLIPS[5].clip_id.encode() * 999


def test_names_with_backslashes_are_recognised(tmp_path: Path) -> None:
    """Some programs write them into zip files, against the format."""
    path = make_zip(tmp_path / "a.zip", {f"some\\where\\{CLIPS[0].clip_id}.mp4": b"clip"})
    assert take(ArchiveSource(str(path), CLIPS), CLIPS[0], tmp_path) == b"clip"
