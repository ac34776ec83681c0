"""What YouTube and servers say, and the kind that it is."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.errors import Action, FailureKind
from vggss_tools.fetch.failures import (
    kind_of_message,
    kind_of_status,
    page_failure,
    public_address,
    retry_after_seconds,
    status_failure,
    video_address,
)

# Wordings as they stand in reports to yt-dlp and youtube-dl (number of the issue), in yt-dlp's
# own source (extractor/youtube/_video.py, `ydl`), or in video2dataset's (`v2d`, pull request 72).
REAL = [
    # yt-dlp 4455, 2027
    ("ERROR: [youtube] M7mKMWjAxG8: Private video. Sign in if you've been granted access to this "
     "video", "private"),
    # v2d
    ("ERROR: [youtube] Cblh2cCXp44: This video is private. If the owner of this video has granted "
     "you access, please sign in.", "private"),
    # v2d
    ("ERROR: [youtube] KqM_GGR5lig: This video has been removed by the uploader", "removed"),
    # youtube-dl-gui 554
    ("ERROR: [youtube] Saix8wDp2iA: This video has been removed for violating YouTube's Terms of "
     "Service", "removed"),
    # ydl, a skipped test of its own
    ("This video has been removed for violating YouTube's policy on hate speech.", "removed"),
    # yt-dlp 9367
    ("ERROR: [youtube] BhwokVwxY_Y: Video unavailable. This video is no longer available because "
     "the YouTube account associated with this video has been terminated.", "account_terminated"),
    ("Video unavailable. This video is no longer available because the uploader has closed their "
     "YouTube account.", "account_terminated"),
    # yt-dlp 2692, youtube-dl 942
    ("ERROR: [youtube] sYNIzq2cXIk: Video unavailable. The uploader has not made this video "
     "available in your country", "geo_blocked"),
    # youtube-dl 209, yt-dlp 2804: blocked here, to be had elsewhere
    ("Video unavailable. This video contains content from SME, who has blocked it in your country "
     "on copyright grounds", "geo_blocked"),
    # the same without a country
    ("This video contains content from UMG, who has blocked it on copyright grounds.",
     "copyright"),
    ("ERROR: [youtube] vlY2tFrh2zs: Video unavailable. This video is no longer available due to a "
     "copyright claim by WMG.", "copyright"),
    # ydl
    ("Sign in to confirm your age. This video may be inappropriate for some users.",
     "age_restricted"),
    ("4y5R7urKjAQ: This video is age-restricted and YouTube is requiring account age-verification",
     "age_restricted"),
    ("ERROR: [youtube] 58iGVbvDu9Q: Join this channel to get access to members-only content like "
     "this video, and other exclusive perks.", "members_only"),
    ("This video is available to this channel's members on level: Gold (or any higher level). "
     "Join this channel to get access to members-only content and other exclusive perks.",
     "members_only"),
    ("This video is only available to Music Premium members", "members_only"),
    # yt-dlp 17702
    ("ERROR: [youtube] XyHm0BmtLHg: Video unavailable", "not_found"),
    ("ERROR: [youtube] 4y5R7urKjAQ: Video unavailable. This video is not available", "not_found"),
    ("ERROR: [youtube] zzz: This live stream recording is not available.", "removed"),
    # yt-dlp 11981; YouTube writes a typographic apostrophe
    ("ERROR: [youtube] x: Sign in to confirm you\N{RIGHT SINGLE QUOTATION MARK}re not a bot. Use "
     "--cookies-from-browser or --cookies for the authentication.", "bot_check"),
    ("Sign in to confirm you're not a bot", "bot_check"),
    # ydl
    ("Video unavailable. YouTube is requiring a captcha challenge before playback", "captcha"),
    # yt-dlp 11426, ydl
    ("ERROR: [youtube] 2OoFSHhI4Vk: Video unavailable. This content isn't available, try again "
     "later. The current session has been rate-limited by YouTube for up to an hour. It is "
     "recommended to use `-t sleep` to add a delay between video requests", "rate_limited"),
    ("ERROR: [youtube] x: Unable to download API page: HTTP Error 429: Too Many Requests",
     "rate_limited"),
    ("ERROR: unable to download video data: HTTP Error 403: Forbidden", "network"),
    ("ERROR: [youtube] x: Unable to download webpage: HTTP Error 503: Service Unavailable",
     "http_5xx"),
    ("ERROR: [youtube] x: Unable to download webpage: <urlopen error [Errno 8] nodename nor "
     "servname provided, or not known> (getaddrinfo failed)", "network"),
    ("ERROR: [youtube] x: The read operation timed out", "timeout"),
    ("ERROR: 1024 bytes read, 2048 more expected", "truncated"),
    ("ERROR: [generic] Unable to download webpage: HTTP Error 404: Not Found", "not_found"),
    ("ERROR: unable to write data: [Errno 28] No space left on device", "disk_full"),
    ("You have requested merging of multiple formats but ffmpeg is not installed. Aborting",
     "tool_missing"),
    ("KeyError('playerResponse')", "error"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "kind"), REAL)
def test_real_wordings_have_their_kind(message: str, kind: str) -> None:
    """A message that YouTube or yt-dlp really gives is understood."""
    assert kind_of_message(message) == FailureKind(kind)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "private"), (403, "private"), (404, "not_found"), (407, "permission"),
        (408, "timeout"), (410, "removed"), (418, "error"), (429, "rate_limited"),
        (451, "copyright"), (500, "http_5xx"), (502, "http_5xx"), (503, "http_5xx"),
        (504, "http_5xx"),
    ],
)  # fmt: skip
def test_each_status_has_its_kind(status: int, kind: str) -> None:
    """An HTTP status that is no success is understood."""
    failure = status_failure(status, "Reason", "http://host/a.mp4?key=secret", {})
    assert failure.kind == FailureKind(kind)
    assert str(status) in failure.message
    assert "secret" not in failure.message


def test_a_refusal_with_a_time_is_a_pause() -> None:
    """403 with Retry-After blocks the session, and says for how long."""
    failure = status_failure(403, "Forbidden", "http://host/a", {"retry-after": "30"})
    assert failure.kind.action is Action.PAUSE
    assert failure.facts == {"retry_after": 30.0}


def test_retry_after_is_read_in_both_forms() -> None:
    """Seconds, and a date, which counts from the server's own clock."""
    assert retry_after_seconds({"Retry-After": "120"}) == 120
    date = formatdate(1_000_090, usegmt=True)
    served = formatdate(1_000_000, usegmt=True)
    assert retry_after_seconds({"retry-after": date, "date": served}) == 90
    far = formatdate(time.time() + 10_000, usegmt=True)
    assert 9_000 < (retry_after_seconds({"Retry-After": far}) or 0) <= 10_000
    assert retry_after_seconds({"Retry-After": served, "Date": date}) == 0
    assert retry_after_seconds({}) is None
    assert retry_after_seconds({"Retry-After": "soon"}) is None


def test_a_page_is_no_video() -> None:
    """HTML in the place of a video is corrupt, whatever type it claims; a captcha is a block."""
    page = b"<!doctype html><html><head><title> Log in </title></head>"
    for content_type in ("text/html", "video/mp4"):
        failure = page_failure("http://h/a.mp4", content_type, page)
        assert failure is not None
        assert failure.kind is FailureKind.CORRUPT
        assert "'Log in'" in failure.message
    asked = page_failure("http://h/a", "text/html", b"<html>please solve the CAPTCHA</html>")
    assert asked is not None
    assert asked.kind is FailureKind.CAPTCHA
    assert page_failure("http://h/a", "video/mp4", b"\x00\x00\x00\x20ftypisom") is None


def test_refusal_without_a_time_is_final() -> None:
    """403 alone says that the clip is not for us."""
    assert kind_of_status(403) is FailureKind.PRIVATE


@given(st.text())
def test_any_message_has_a_kind(message: str) -> None:
    """No message breaks the table."""
    assert kind_of_message(message) in FailureKind


@given(st.text())
def test_addresses_never_show_a_login(text: str) -> None:
    """Whatever an address holds, what is shown has neither login nor query."""
    shown = public_address(f"http://name:pass@host/path?{text}")
    assert "pass" not in shown
    assert "?" not in shown or "?" in text


def test_a_video_is_named_and_nothing_secret() -> None:
    """YouTube's own id is in the query of its page; of all else only the address is shown."""
    page = "https://me:key@www.youtube.com/watch?list=secret&v=-a_b_cdefgh&t=1#x"
    assert video_address(page) == "https://www.youtube.com/watch?v=-a_b_cdefgh"
    media = "https://rr1.googlevideo.com/videoplayback?sig=secret&v=x"
    assert video_address(media) == "https://rr1.googlevideo.com/videoplayback"
    assert video_address("http://[") == "an address that cannot be read"
