"""Write ``mmdet_golden.json``: what MMDetection's own network finds with weights made by rule.

Run in an environment with mmdet 3.3.0 and mmcv 2.1.0 with its compiled operators::

    python tests/propose/make_mmdet_golden.py tests/propose/mmdet_golden.json

Everything after the weights is MMDetection's: its configuration file, its resizing, its network,
its operators and its non-maximum suppression.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from propose.mmdet_maker import make_picture, make_state

# Height, width and seed of each picture: shrunk and enlarged, limited by either side, an odd
# number of cells on the fifth level (800 high), a side of one pixel.
PICTURES = ((360, 640, 1), (360, 480, 2), (1200, 1024, 3), (91, 333, 4), (720, 405, 5), (64, 1, 6))
CLASSES = {
    "faster-rcnn_r50_fpn_32xb2-1x_openimages": 601,
    "faster-rcnn_r50_fpn_32xb2-cas-1x_openimages-challenge": 500,
}


def build(config_name: str, n_classes: int) -> Any:
    """MMDetection's network of a configuration, with our weights, all of them."""
    import_module("mmdet.utils").register_all_modules()
    folder = Path(str(import_module("mmdet").__file__)).parent / ".mim/configs/openimages"
    config = import_module("mmengine").Config.fromfile(folder / f"{config_name}.py")
    config.model.backbone.init_cfg = None  # would download a ResNet, to overwrite it
    model = import_module("mmdet.registry").MODELS.build(config.model)
    model.load_state_dict(make_state(n_classes), strict=True)
    model.cfg = config
    return model.eval()


def look(model: Any, picture: np.ndarray) -> dict[str, Any]:
    """Boxes in pixels of the picture, scores and class indices, by MMDetection's own pipeline."""
    detect = import_module("mmdet.apis").inference_detector
    found = detect(model, picture[:, :, ::-1].copy()).pred_instances
    return {
        "boxes": np.round(found.bboxes.double().numpy(), 4).tolist(),
        "scores": np.round(found.scores.double().numpy(), 6).tolist(),
        "labels": found.labels.tolist(),
    }


def main() -> None:
    """Run both configurations."""
    cases = []
    for config_name, n_classes in CLASSES.items():
        model = build(config_name, n_classes)
        for height, width, seed in PICTURES if n_classes == 601 else PICTURES[:1]:
            picture = make_picture(height, width, seed)
            found = look(model, picture)
            cases.append(
                {"classes": n_classes, "height": height, "width": width, "seed": seed, **found}
            )
            sys.stderr.write(f"{config_name} {width}x{height}: {len(found['scores'])} boxes\n")
    golden = {
        "made_by": "tests/propose/make_mmdet_golden.py",
        **{name: str(import_module(name).__version__) for name in ("mmdet", "mmcv", "torch")},
        "cases": cases,
    }
    text = json.dumps(golden).replace('{"classes"', '\n{"classes"')
    Path(sys.argv[1]).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
