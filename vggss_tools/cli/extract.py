"""``vggss extract``: the benchmark frame and the centre sound of each clip."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from vggss_tools.cli.batch_options import Batch, batch_options
from vggss_tools.cli.options import FiniteRange, data_option, emit_json, json_option, say
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from vggss_tools.stages import StageSummary

SCHEMA = "vggss-extract/1"

# Beyond these lies a slip of the pen, which would mark every clip as failed.
LATEST = 3600  # seconds into a clip
LONGEST = 600  # seconds of sound
HIGHEST_RATE = 384_000  # of common recorders, in samples per second
LARGEST_BATCH = 8  # clips
HIGHEST_FPS = 240  # frames per second

FRAME_TIME = 4.96  # seconds: frame 125 of 25 a second
CENTRE = 5.0  # seconds
LENGTHS = {"3s": 3.0, "10s": 10.0, "full": None}  # of --audio, in seconds; None: all of the clip


@dataclass(frozen=True, slots=True)
class Frames:
    """What ``--frame`` asks for: the moment of one frame, and how many more at what rate."""

    time: float = FRAME_TIME
    count: int = 0
    fps: Fraction = Fraction(1)


class FrameType(click.ParamType):
    """``benchmark``, ``centre``, ``time:S`` or ``frames:N@FPS``."""

    name = "frame"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return the forms."""
        return "benchmark|centre|time:S|frames:N@FPS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Frames:
        """Read one of the forms; a usage error where it is none, or asks for what no clip has."""
        if isinstance(value, Frames):
            return value
        word, _, rest = str(value).partition(":")
        if str(value) == "benchmark":
            return Frames()
        if str(value) == "centre":
            return Frames(CENTRE)
        if word == "time":
            return Frames(FiniteRange(min=0, max=LATEST).convert(rest, param, ctx))
        if word == "frames":
            return self._several(rest, param, ctx)
        return self.fail(
            f"{value!r} is none of benchmark, centre, time:S (seconds) and frames:N@FPS.",
            param,
            ctx,
        )

    def _several(
        self, text: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> Frames:
        from vggss_tools.media.ticks import middle_ticks

        number, _, rate = text.partition("@")
        try:
            count, fps = int(number), Fraction(rate)
        except (ValueError, ZeroDivisionError):
            self.fail(f"'frames:{text}' is not frames:N@FPS, such as frames:16@8.", param, ctx)
        if not 0 < fps <= HIGHEST_FPS:
            self.fail(f"'frames:{text}': FPS has to lie in 0<FPS<={HIGHEST_FPS}.", param, ctx)
        try:
            middle_ticks(count, fps)
        except ValueError as error:
            self.fail(f"'frames:{text}': {error}.", param, ctx)
        return Frames(count=count, fps=fps)


@click.command("extract")
@data_option
@click.option("--split", metavar="NAME", help="Only the clips of this split.  [default: all]")
@click.option(
    "--frame",
    type=FrameType(),
    help="Which frame: the benchmark's number 125 at 25 a second, the one at 5 s, the one at S "
    "seconds, or beside the benchmark's also the middle N of the clip's at FPS a second.  "
    "[default: benchmark]",
)
@click.option(
    "--frame-time",
    type=FiniteRange(min=0, max=LATEST),
    help="The same as --frame time:S.",
)
@click.option(
    "--audio",
    type=click.Choice(list(LENGTHS)),
    help="How much sound: 3 s or 10 s round the middle, or all of the clip (of a longer file, its "
    "ten seconds).  [default: 3s]",
)
@click.option(
    "--seconds",
    type=FiniteRange(min=0, max=LONGEST, min_open=True),
    help="Another length of the sound than --audio has.",
)
@click.option(
    "--centre",
    type=FiniteRange(min=0, max=LATEST),
    help=f"Middle of the sound, in seconds.  [default: {CENTRE:g}]",
)
@click.option(
    "--rate",
    type=click.IntRange(min=1000, max=HIGHEST_RATE),
    default=16_000,
    show_default=True,
    help="Samples of sound per second.",
)
@batch_options
@json_option
def command(
    workspace: Workspace,
    split: str | None,
    frame: Frames | None,
    frame_time: float | None,
    audio: str | None,
    seconds: float | None,
    centre: float | None,
    rate: int,
    batch: Batch,
    json_out: str | None,
) -> None:
    """Take the benchmark frame and the centre sound from each clip.

    Reads clips/<clip_id>.mp4 and writes frames/<clip_id>.jpg and audio/<clip_id>.wav. What is
    done already is not done again, unless the clip or a setting has changed. Exit code 3 says
    that some clips can never succeed, 4 that running again helps.

    \b
    Examples:
      vggss extract --data my-data
      vggss extract --split test --workers 4 --json result.json
      vggss extract --frame frames:16@8 --audio full
    """
    from vggss_tools.extract import ExtractStage
    from vggss_tools.stages import run_stage

    if frame is not None and frame_time is not None:
        raise click.UsageError("--frame and --frame-time both choose the frame; give one of them.")
    if audio is not None and seconds is not None:
        raise click.UsageError("--audio and --seconds both choose the length; give one of them.")
    if audio == "full" and centre is not None:
        raise click.UsageError("--audio full has no --centre; leave it out, or give --seconds.")
    if seconds is not None and round(seconds * rate) < 1:
        raise click.UsageError(f"--seconds {seconds:g} at --rate {rate} holds no sample.")
    chosen = frame or Frames(FRAME_TIME if frame_time is None else frame_time)
    clips = workspace.clips(split)
    known = {clip.clip_id for clip in clips}
    stage = ExtractStage(
        workspace,
        chosen.time,
        LENGTHS[audio or "3s"] if seconds is None else seconds,
        rate,
        CENTRE if centre is None else centre,
        chosen.count,
        chosen.fps,
        {name: at for name, at in workspace.clip_offsets().items() if at and name in known},
    )
    stage.batch_size = batch_size(len(clips), batch.workers)
    summary = run_stage(stage, clips, workspace, **batch.as_arguments())
    say(outcome_table(summary))
    emit_json(
        {
            "schema": SCHEMA,
            "data": str(workspace.root),
            "split": split,
            "settings": stage.settings(),
            "n_clips": len(clips),
            **summary.as_json(),
        },
        json_out,
    )
    summary.raise_for_failures()


def batch_size(n_clips: int, workers: int | None) -> int:
    """Return how many clips a worker is given at once: handing over costs as much as a JPEG.

    Few enough that every worker has several turns.
    """
    from vggss_tools.engines.local import available_cores

    hands = max(1, available_cores() if workers is None else workers)
    return max(1, min(LARGEST_BATCH, n_clips // (4 * hands)))


def outcome_table(summary: StageSummary) -> str:
    """Return the counts by outcome, one a line, for people."""
    rows = {"done": summary.done, "done before": summary.skipped, **summary.failed}
    wide = max(map(len, rows))
    digits = len(str(max(rows.values())))
    return "\n".join(
        f"{summary.stage}  {name:<{wide}}  {count:>{digits}}"
        for name, count in rows.items()
        if count or name == "done"
    )
