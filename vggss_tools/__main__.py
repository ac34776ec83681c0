"""Run the command line with ``python -m vggss_tools``."""

from vggss_tools.cli import main

if __name__ == "__main__":
    main()
