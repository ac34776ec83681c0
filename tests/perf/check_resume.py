"""Kill the quickstart ten times at random moments, run it to its end, compare with a quiet run.

    python tests/perf/check_resume.py QUIET_DIR KILLED_DIR [--kills 10] [--seed 0] [--longest 60]

QUIET_DIR is the folder of a quickstart that was not disturbed, and is made if it is not there.
Exit code 0 if both left the same results. Takes about twice the time of a quickstart.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from killing import differences, fingerprint, kill_at_random


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("quiet", type=Path)
    parser.add_argument("killed", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=60.0)
    chosen = parser.parse_args()
    vggss = [sys.executable, "-m", "vggss_tools", "quickstart", "--out"]
    if not (chosen.quiet / "benchmark.json").is_file():
        subprocess.run([*vggss, str(chosen.quiet)], check=True)
    command = [*vggss, str(chosen.killed)]
    killed = kill_at_random(command, chosen.kills, chosen.longest, chosen.seed)
    subprocess.run(command, check=True)
    different = differences(chosen.quiet, chosen.killed)
    print(f"killed {killed} times; {len(fingerprint(chosen.quiet))} results compared")
    print("different: " + (", ".join(different) or "none"))
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
