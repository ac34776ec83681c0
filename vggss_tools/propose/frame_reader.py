"""Reading frames ahead: while the detector looks at some, threads decode the next."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from vggss_tools.errors import ClipFailure, FailureKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# OpenCV lets go of the interpreter while it decodes; more than this only takes cores from the
# detector.
THREADS = 2


class FrameReader:
    """Decodes frames in threads.

    Parameters
    ----------
    plan : sequence of Path
        Frames in the order in which they will probably be asked for. Another order costs time
        and nothing else.
    ahead : int
        Frames that are decoded before they are asked for; that many are in memory besides those
        handed out.
    """

    def __init__(self, plan: Sequence[Path] = (), ahead: int = 0) -> None:
        self._plan = list(plan)
        self._place = {path: i for i, path in enumerate(self._plan)}
        self._ahead = ahead
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="frames")
        self._coming: dict[Path, Future[NDArray[np.uint8] | ClipFailure]] = {}

    def read(self, paths: Sequence[Path]) -> list[NDArray[np.uint8] | ClipFailure]:
        """Return these frames, and begin with those that come after them in the plan."""
        asked = [self._take(path) for path in paths]
        after = max((self._place.get(path, -1) for path in paths), default=-1) + 1
        following = self._plan[after : after + self._ahead] if after else []
        for path in [path for path in self._coming if path not in following]:
            self._coming.pop(path).cancel()
        for path in following:
            if path not in self._coming:
                self._coming[path] = self._pool.submit(read_frame, path)
        return [future.result() for future in asked]

    def _take(self, path: Path) -> Future[NDArray[np.uint8] | ClipFailure]:
        coming = self._coming.pop(path, None)
        return coming if coming is not None else self._pool.submit(read_frame, path)

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._coming.clear()


def read_frame(path: Path) -> NDArray[np.uint8] | ClipFailure:
    """Read a frame as RGB, uint8 (h, w, 3), grey ones too; or say why not."""
    import cv2
    import numpy as np

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ClipFailure(
            FailureKind.NOT_FOUND, f"{path}: no such frame; run `vggss extract` first"
        )
    except OSError as error:
        return ClipFailure.from_exception(error)
    try:
        bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    except cv2.error:  # such as a picture of more pixels than OpenCV takes
        bgr = None
    if bgr is None:
        return ClipFailure(
            FailureKind.CORRUPT, f"{path}: not a readable picture; remove it and extract again"
        )
    rgb: NDArray[np.uint8] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb
