"""Models of FiftyOne's zoo behind the interface of detectors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from vggss_tools.boxes import Box
from vggss_tools.classes import vggsound_classes
from vggss_tools.errors import MissingExtra, VggssError
from vggss_tools.propose.detector import Detection, DetectorCard, describe_detector, load_detector
from vggss_tools.propose.fiftyone_zoo import ZooDetector, open_vocabulary


def test_without_fiftyone_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which extra brings it."""
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    with pytest.raises(MissingExtra, match=r"fiftyone: not installed.*vggss-tools\[verify\]"):
        describe_detector("fiftyone:yolov8x-oiv7-torch")
    with pytest.raises(MissingExtra, match="fiftyone: not installed"):
        load_detector("fiftyone:yolov8x-oiv7-torch")


def test_open_vocabulary_models_look_for_our_classes() -> None:
    """All 309, as VGG-Sound spells them."""
    assert open_vocabulary() == tuple(vggsound_classes())


class TestWithFiftyOne:
    """Against FiftyOne's own interface of models; skipped where it is not installed."""

    @pytest.fixture(autouse=True)
    def _installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FIFTYONE_MODEL_ZOO_DIR", str(tmp_path))
        pytest.importorskip("fiftyone", reason="FiftyOne is not installed (extra `verify`)")

    def detector(self, answer: object) -> ZooDetector:
        import fiftyone.core.models as fom  # type: ignore[import-not-found,unused-ignore]

        class Tiny(fom.Model):  # type: ignore[misc,unused-ignore]
            @property
            def media_type(self) -> str:
                return "image"

            def predict(self, arg: np.ndarray) -> object:
                assert arg.dtype == np.uint8
                assert arg.ndim == 3
                return answer

        return ZooDetector(DetectorCard("fiftyone:tiny", ("Dog", "Cat"), "0"), Tiny())

    def test_its_labels_become_detections(self) -> None:
        """Boxes x, y, width, height become edges in the frame; the best score comes first."""
        import fiftyone as fo

        answer = fo.Detections(
            detections=[
                fo.Detection(label="Cat", bounding_box=[-0.1, 0.2, 0.3, 0.9], confidence=0.4),
                fo.Detection(label="Dog", bounding_box=[0.5, 0.5, 0.25, 0.25], confidence=0.9),
                fo.Detection(label="Dog", bounding_box=[1.2, 0.5, 0.2, 0.2], confidence=0.9),
            ]
        )
        expected = [
            Detection(Box(0.5, 0.5, 0.75, 0.75), "Dog", 0.9),
            Detection(Box(0.0, 0.2, 0.2, 1.0), "Cat", 0.4),
        ]
        image = np.zeros((4, 6, 3), np.uint8)
        assert self.detector(answer).detect([image, image]) == [expected, expected]
        assert self.detector({"boxes": answer}).detect([image]) == [expected]
        assert self.detector(None).detect([image]) == [[]]

    def test_answers_without_boxes_or_confidence_are_refused(self) -> None:
        """One line says which model, and what it answers with."""
        import fiftyone as fo

        image = np.zeros((4, 6, 3), np.uint8)
        with pytest.raises(VggssError, match=r"tiny: answers with Classification"):
            self.detector(fo.Classification(label="dog")).detect([image])
        unsure = fo.Detections(detections=[fo.Detection(label="Dog", bounding_box=[0, 0, 1, 1])])
        with pytest.raises(VggssError, match="gives no confidence"):
            self.detector(unsure).detect([image])

    def test_names_are_looked_up_in_the_zoo(self) -> None:
        """A wrong name has near ones; a model that draws no boxes is refused unloaded."""
        with pytest.raises(VggssError, match=r"no such model.*did you mean .*yolov8x-oiv7-torch"):
            describe_detector("fiftyone:yolov8x-oiv7")
        with pytest.raises(VggssError, match="not a model for detection"):
            describe_detector("fiftyone:clip-vit-base32-torch")
        with pytest.raises(VggssError, match="name a model, as in"):
            describe_detector("fiftyone")
