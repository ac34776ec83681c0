"""Start-up of ``vggss --help`` against ``python -c "import click"``, in one run.

    python tests/perf/bench_startup.py

Prints the best of several runs of each and their ratio; the aim is under 3.
"""

from __future__ import annotations

import subprocess
import sys
import time

RUNS = 15
COMMANDS = {
    "python -c 'import click'": [sys.executable, "-c", "import click"],
    "vggss --help": [sys.executable, "-m", "vggss_tools", "--help"],
}


def seconds(command: list[str]) -> float:
    """Wall-clock time of one run."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Interleave the runs, so that a busy moment meets both."""
    best = dict.fromkeys(COMMANDS, float("inf"))
    for _ in range(RUNS):
        for name, command in COMMANDS.items():
            best[name] = min(best[name], seconds(command))
    for name, value in best.items():
        print(f"{name:28} {1000 * value:7.1f} ms")
    click, help_ = best.values()
    print(f"{'ratio':28} {help_ / click:7.2f}")


if __name__ == "__main__":
    main()
