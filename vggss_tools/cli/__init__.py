"""The command line: one file a command, each loaded only when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys

import click

from vggss_tools import __version__

# Command → (module, one line for `vggss --help`), in the order in which clips flow. The lines
# stand here so that the list of commands imports none of them; a test holds them to the
# commands' own help.
COMMANDS: dict[str, tuple[str, str]] = {
    "quickstart": ("quickstart", "Walk the whole way on a small synthetic world."),
    "sample": ("sample", "Make a sample world: a complete data directory of synthetic clips."),
    "fetch": ("fetch", "Get the clips from YouTube, a mirror, a folder or archives."),
    "extract": ("extract", "Take the benchmark frame and the centre sound from each clip."),
    "propose-boxes": ("propose_boxes", "Detect objects and match them to the sound classes."),
    "match-classes": ("match_classes", "Match VGG-Sound's classes to the classes of a detector."),
    "train-detector": ("train_detector", "Train the sample world's object detector."),
    "train-image-weights": (
        "train_image_weights",
        "Train the sample world's stand-in for ImageNet weights.",
    ),
    "export": ("export", "Write clips, boxes and decisions in a format of other tools."),
    "import": ("import_", "Take boxes and decisions of people back into the annotation log."),
    "check": ("check", "Apply the rules of annotation to the boxes that stand."),
    "audit": ("audit", "Find what is wrong in a file of boxes such as VGG-SS's."),
    "agreement": ("agreement", "Say how far reviewers agree, and on which clips they do not."),
    "verify": ("verify", "Verify clips in the FiftyOne App: yes, no or not sure."),
    "release": ("release", "Fold the annotation log into a released set of boxes."),
    "stats": ("stats", "Count clips, classes and boxes of an annotation file."),
    "train": ("train", "Train a sound-source localiser; boxes are never used."),
    "predict": ("predict", "Write a model's localisation maps to a predictions file."),
    "benchmark": ("benchmark", "Score a model or its predictions under named protocols."),
    "audit-training": (
        "audit_training",
        "Count the clips of a test set that are in training lists.",
    ),
    "leaderboard": (
        "leaderboard",
        "Show published results, one table per test set and protocol family.",
    ),
    "report": ("report", "Write one self-contained HTML page from benchmark results."),
    "run": ("run", "Run the steps of a pipeline file."),
    "merge": ("merge", "Join the ledgers of shards into that of a data directory."),
    "validate": ("validate", "Check every recorded file of a data directory against its checksum."),
    "doctor": ("doctor", "Check what this machine has for the work, and say what to do."),
    "status": ("status", "Say what is where in a data directory."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when used, so that ``--help`` is a reading."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order in which clips flow."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"vggss_tools.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "VGGSS"},
)
@click.option(
    "--data",
    type=click.Path(file_okay=False),
    help="Data directory (environment: VGGSS_DATA).  [default: ./vggss-data]",
)
@click.version_option(__version__, prog_name="vggss")
@click.pass_context
def group(ctx: click.Context, data: str | None) -> None:
    """Build, extend and score sound-source localisation benchmarks such as VGG-SS.

    \b
    Start with:
      vggss quickstart --out quickstart
      vggss COMMAND --help
    """
    from vggss_tools.cli.options import load_settings

    load_settings(ctx, data)


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit with the codes of docs/cli.md."""
    try:
        group.main(args=argv, prog_name="vggss", standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo(
            "Interrupted; what was done is kept, the same command goes on from here.", err=True
        )
        sys.exit(130)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "vggss"
        click.echo(f"Error: {error.format_message()} See `{where} --help`.", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (such as `head`) has gone; Python would complain once more while closing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.filename is None and error.strerror is None:
            raise
        click.echo(f"Error: {describe_os_error(error)}", err=True)
        sys.exit(1)


def describe_os_error(error: OSError) -> str:
    """Say in one line which path, what happened and what to do."""
    from vggss_tools.errors import REMEDIES, ClipFailure

    remedy = REMEDIES.get(ClipFailure.from_exception(error).kind, "check the path")
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror}; {remedy}"
