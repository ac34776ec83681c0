"""``vggss fetch``: the clips themselves, from YouTube, a mirror, a folder or archives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vggss_tools.cli.batch_options import Batch, batch_options
from vggss_tools.cli.options import FiniteRange, data_option, emit_json, json_option, say
from vggss_tools.errors import Blocked
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from vggss_tools.fetch.stage import FetchStage
    from vggss_tools.fetch.wanted import SplitName, Wanted
    from vggss_tools.stage_summary import StageSummary

SCHEMA = "vggss-fetch/1"

# In the order of docs/fetch.md; mirrored there and in vggss_tools.fetch.sources, which is not
# light enough to be imported here.
LINK_MODES = ("auto", "copy", "symlink")
WORKERS = 4  # a host is asked gently; more do not help where it counts clips an hour
DAY_S = 86_400
MOST_SHOWN = 5  # contradictions, on stderr; --json has all


@click.command("fetch")
@data_option
@click.option(
    "--split",
    type=click.Choice(["train", "test", "vggss"]),
    help="VGG-Sound's train or test clips, or the 5,158 test clips of VGG-SS.  "
    "[default: the clips of the data directory]",
)
@click.option(
    "--clips",
    "clips_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A list of clips of your own: csv, ids, vggss.json or clips.parquet.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N clips.")
@click.option(
    "--source",
    "source_name",
    metavar="SOURCE",
    default="youtube",
    show_default=True,
    help="youtube, mirror:URL-TEMPLATE with {clip_id}, {youtube_id} and {start}, dir:PATH or "
    "archive:PATH.",
)
@click.option(
    "--link",
    type=click.Choice(LINK_MODES),
    default="auto",
    show_default=True,
    help="How clips of dir:PATH come: a hard link where one is possible, else a copy; always a "
    "copy; a symbolic link.",
)
@click.option(
    "--cookies",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Cookies of a browser session (Netscape format); only copies are written to.",
)
@click.option("--proxy", metavar="URL", help="Proxy for all requests, such as http://host:3128.")
@click.option(
    "--rate",
    type=FiniteRange(min=0, max=1e9),
    metavar="N",
    help="Most clips an hour to ask a host for; 0: no limit.  [default: 300 of youtube, no limit "
    "of a mirror]",
)
@click.option(
    "--time-limit",
    type=FiniteRange(min=0, max=DAY_S, min_open=True),
    metavar="S",
    default=300.0,
    show_default=True,
    help="Seconds that a clip may take, with all its tries.",
)
@click.option(
    "--margin",
    type=FiniteRange(min=0, max=60),
    metavar="S",
    default=1.0,
    show_default=True,
    help="Seconds to keep before and after the clip where a section is taken.",
)
@click.option(
    "--max-pause",
    type=FiniteRange(min=0, max=DAY_S),
    metavar="S",
    default=300.0,
    show_default=True,
    help="Longest pause to wait for when the host asks for one; beyond it, stop with code 5.",
)
@click.option("--dry-run", "-n", is_flag=True, help="Say what it would take, and do nothing.")
@click.option("--lists", "with_lists", is_flag=True, help="Fetch the official lists first.")
@click.option(
    "--lists-from",
    metavar="DIR|URL",
    help="Take the official lists from a folder or another address.",
)
@batch_options(workers=WORKERS, workers_help="Threads; 0 works in this one.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    workspace: Workspace,
    split: SplitName | None,
    clips_file: Path | None,
    limit: int | None,
    source_name: str,
    link: Any,
    cookies: Path | None,
    proxy: str | None,
    rate: float | None,
    time_limit: float,
    margin: float,
    max_pause: float,
    *,
    dry_run: bool,
    with_lists: bool,
    lists_from: str | None,
    batch: Batch,
    json_out: str | None,
) -> None:
    """Get the clips from YouTube, a mirror, a folder or archives.

    Writes clips/<clip_id>.mp4, each looked at before it counts, and adds the clips to
    clips.parquet. What is there is not asked for again, and neither is what the source has said
    to be gone; running again does only what is missing. Exit code 3 says that some clips can
    never be had, 4 that running again helps, 5 that the host wants a pause and until when.

    \b
    Examples:
      vggss fetch --lists
      vggss fetch --split vggss --dry-run
      vggss fetch --split vggss --cookies cookies.txt
      vggss fetch --clips list.csv --source 'mirror:https://host/{clip_id}.mp4'
      vggss fetch --split test --source dir:/datasets/vggsound
      vggss fetch --split train --source 'archive:/datasets/vggsound_*.tar.gz'
      vggss fetch --retry transient
    """
    from vggss_tools.fetch.sources import default_rate, open_source
    from vggss_tools.fetch.stage import FetchStage
    from vggss_tools.fetch.wanted import LIST_OF, merge_clips, wanted_clips

    if source_name.partition(":")[0] in ("dir", "archive"):
        for given, value in (("--cookies", cookies), ("--proxy", proxy)):
            if value is not None and not (given == "--proxy" and (with_lists or lists_from)):
                raise click.UsageError(
                    f"{given} is for a host, and --source {source_name} asks none; leave it out."
                )
    lists = None
    if with_lists or lists_from is not None:
        if dry_run:
            raise click.UsageError("--dry-run asks for nothing; fetch --lists without it first.")
        from vggss_tools.fetch.lists import fetch_lists

        lists = fetch_lists(
            Workspace.create(workspace.root),
            lists_from,
            proxy,
            needed=None if split is None or clips_file is not None else LIST_OF[split],
            say=say,
        )
        for found in lists:
            kept = "fetched" if found["fetched"] else "there already"
            say(f"{found['path']}  {found['rows']:,} clips, {kept}")
        if split is None and clips_file is None:
            emit_json({"schema": SCHEMA, "data": str(workspace.root), "lists": lists}, json_out)
            return
    wanted = wanted_clips(workspace, split, clips_file, limit)
    for note in wanted.notes:
        say(note)
    source = open_source(source_name, wanted.clips, link=link, cookies=cookies, proxy=proxy)
    stage = FetchStage(
        workspace,
        source,
        rate=default_rate(source) if rate is None else rate or None,
        time_limit=time_limit,
        max_pause=max_pause,
        margin=margin,
    )
    about = {
        "schema": SCHEMA,
        "data": str(workspace.root),
        "split": split,
        "source": source.settings(),
        "list": wanted.report,
        **({} if lists is None else {"lists": lists}),
    }
    if dry_run:
        _dry_run(ctx, stage, wanted, batch, about, json_out)
        return
    clips = wanted.clips
    if wanted.source != str(workspace.clips_table):
        Workspace.create(workspace.root)
        clips, contradictions = merge_clips(workspace, clips)
        for line in contradictions[:MOST_SHOWN]:
            say(f"{line}; the table's stays")
        if len(contradictions) > MOST_SHOWN:
            say(f"{len(contradictions) - MOST_SHOWN:,} more contradictions of that kind")
        about["list"] = {**wanted.report, "contradictions": contradictions}
    _run(stage, clips, batch, about, json_out)


def _run(
    stage: FetchStage, clips: Any, batch: Batch, about: dict[str, Any], json_out: str | None
) -> None:
    """Fetch, and say what came of it, also where the host has stopped it."""
    from vggss_tools.cli.extract import outcome_table
    from vggss_tools.fetch.plan import plan_of, received_since, summary_of
    from vggss_tools.ledger import now
    from vggss_tools.stages import run_stage

    started = now()
    ended: BaseException | None = None
    with stage:
        source: Any = stage.source
        if hasattr(source, "arranged"):
            todo = plan_of(stage, clips, batch.retry, batch.shard).todo
            if todo:
                say(f"{stage.source.name}: reading the names")
                chosen = {clip.clip_id for clip in todo}
                arranged = source.arranged(todo)
                clips = [*arranged, *(clip for clip in clips if clip.clip_id not in chosen)]
        try:
            summary = run_stage(stage, clips, stage.workspace, **batch.as_arguments())
        except Blocked as error:
            if error.summary is None:
                raise
            ended, summary = error, error.summary
        except KeyboardInterrupt as error:  # what is recorded is known all the same
            ended, summary = error, summary_of(stage, clips, started, batch.shard)
        report = source.report() if hasattr(source, "report") else None
        for line in source.notes() if hasattr(source, "notes") else ():
            say(line)
    say(outcome_table(summary))
    emit_json(
        {
            **about,
            "n_clips": len(clips),
            **summary.as_json(),
            "received_bytes": received_since(stage, started) if summary.done else 0,
            **({} if report is None else {"found": report}),
            **_ending(ended, summary),
        },
        json_out,
    )
    if ended is not None:
        raise ended
    summary.raise_for_failures()


def _ending(ended: BaseException | None, summary: StageSummary) -> dict[str, Any]:
    """Return what is said of a run that did not come to its end, or was refused clips."""
    if isinstance(ended, Blocked):
        return {"blocked": ended.message, "retry_at": summary.retry_at}
    return {} if ended is None else {"interrupted": True}


def _dry_run(
    ctx: click.Context,
    stage: FetchStage,
    wanted: Wanted,
    batch: Batch,
    about: dict[str, Any],
    json_out: str | None,
) -> None:
    """Say what it would take, and where each option's value is from."""
    from vggss_tools.fetch.plan import estimate, plan_of

    expected = estimate(stage, plan_of(stage, wanted.clips, batch.retry, batch.shard))
    options = dict(_options(ctx))
    if json_out != "-":
        click.echo("\n".join(expected.lines()))
        wide = max(map(len, options))
        for name, option in options.items():
            click.echo(f"{name:<{wide}}  {option['value']}  ({option['from']})")
    emit_json(
        {
            **about,
            "dry_run": True,
            "n_clips": len(wanted.clips),
            "expected": expected.as_json(),
            "options": options,
        },
        json_out,
    )


def _options(ctx: click.Context) -> Any:
    """Yield each option, its value, and where that is from."""
    for parameter in ctx.command.params:
        name = parameter.name or ""
        origin = ctx.get_parameter_source(name)
        value = ctx.params.get(name)
        if name == "json_out" or not isinstance(parameter, click.Option):
            continue
        if name == "proxy" and value is not None:
            value = _without_login(str(value))
        if value is not None and not isinstance(value, (bool, int, float)):
            value = str(value.root) if isinstance(value, Workspace) else str(value)
        words = "unknown" if origin is None else origin.name.lower().replace("_", " ")
        words = {"commandline": "command line", "default map": "settings file"}.get(words, words)
        yield max(parameter.opts, key=len).lstrip("-"), {"value": value, "from": words}


def _without_login(url: str) -> str:
    """Return an address without the user and password in it."""
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
