"""A worker that never answers."""

import signal

signal.pause()
