"""ACL-SSL: ``Eval.py`` of github.com/swimmiing/ACL-SSL, at 57f4a6c."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from peers.cases import Case, Cases, Report, Score
from peers.checkout import imported, silent
from peers.networks import Clips
from peers.recording import instances

FOLDER = "ACL-SSL"


class _Everything:
    """An empty class, as a base."""


class _Picture:
    """A picture, a reader and a writer of pictures, of which every method gives another one."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: self

    def __call__(self, *arguments: Any) -> Any:
        return self


def score(peers: Path, cases: Cases, alpha: float) -> Report:
    """Run ``eval_vggss_agg`` or ``eval_flickr_agg``; there is a score for each threshold.

    The model's own ``forward`` runs, from the decoder's logits on: resizing, sigmoid. Its learnt
    bias is taken to be part of the logits.
    """
    replaced: dict[str, dict[str, Any]] = {
        "transformers": {"CLIPSegForImageSegmentation": _Everything},
        "modules.BEATs.BEATs": {},
        "modules.AudioToken.embedder": {},
        "torch.utils.tensorboard": {},
    }
    room = "Flickr" if cases.flickr else "VGGSS"
    with imported(peers / FOLDER, "Eval", replaced) as released:
        import importlib

        models = importlib.import_module("modules.models")
        masks = importlib.import_module("modules.mask_utils")
        datasets = importlib.import_module(f"{room}.{room}_Dataset")
        if cases.flickr:
            cases.write_votes(Path("Annotations"))
            boxes = datasets.load_all_bboxes("Annotations")
        else:
            cases.write_vggss_json(Path("vggss.json"))
            boxes = datasets.load_all_bboxes("vggss.json")

        masker = masks.ImageMasker(10.0, 0.0, 1.0).eval()
        logits: list[torch.Tensor] = []
        seen = SimpleNamespace(hidden_states=[])
        grounder = SimpleNamespace(
            clip=SimpleNamespace(vision_model=lambda **k: seen),
            extract_layers=[],
            decoder=lambda *a, **k: SimpleNamespace(logits=logits[-1]),
        )

        class Model:
            device = "cpu"
            training = False
            av_grounder = grounder
            masker_i = masker
            forward_decoder = models.ACL.forward_decoder
            forward_module = models.ACL.forward_module

            def get_placeholder_token(self, text: str) -> torch.Tensor:
                return torch.zeros((1, 1))

            def encode_audio(self, audio: torch.Tensor, *rest: Any) -> torch.Tensor:
                logits.append(audio)
                return torch.zeros((1, 1))

            def __call__(self, *arguments: Any) -> Any:
                return models.ACL.forward(self, *arguments)

        def batch(case: Case) -> Any:
            truth = released.vt.ToTensor()(datasets.bbox2gtmap(boxes[case.name]))
            return {
                "images": torch.zeros((1, 3, 352, 352)),
                "audios": torch.from_numpy(case.sound.copy()),
                "bboxes": truth[None],
                "labels": ["owl hooting"],
                "ids": [case.name],
            }

        loader: Any = Clips(cases, batch)
        loader.dataset = SimpleNamespace(split="test", image_path=".")
        module = released.flickr_eval if cases.flickr else released.vggss_eval
        evaluators = instances(module.Evaluator)
        _without_pictures(released)
        run = released.eval_flickr_agg if cases.flickr else released.eval_vggss_agg
        with silent():
            run(Model(), loader, "results")
        scores = []
        for one in evaluators:
            said = one.finalize()[1]
            cious = [float(value) for value in one.ciou]
            scores.append(Score(cious, float(said["cIoU"]) / 100, float(said["AUC"]) / 100))
    return Report(scores)


def _without_pictures(released: Any) -> None:
    """Let the evaluation draw nothing."""
    to_tensor = released.vt.ToTensor
    released.cv2 = released.Image = _Picture()
    released.vt = SimpleNamespace(ToTensor=to_tensor, ToPILImage=_Picture)
    released.draw_overall = released.draw_overlaid = lambda *a, **k: None
    released.tqdm = lambda loader, **k: loader


def extended(
    peers: Path,
    labels: Sequence[str],
    maps: Sequence[Any],
    truths: Sequence[Any],
    confidences: Sequence[float],
    threshold: float,
) -> dict[str, Any]:
    """Return what ``VGGSS/extend_eval_utils.py`` makes of clips and negatives."""
    with imported(peers / FOLDER, "VGGSS.extend_eval_utils") as released:
        evaluator = released.Evaluator()
        evaluator.evaluate_batch(
            torch.stack([torch.from_numpy(one)[None] for one in maps]),
            torch.stack([torch.from_numpy(one)[None] for one in truths]),
            list(labels),
            torch.tensor(list(confidences), dtype=torch.float64),
            [str(i) for i in range(len(maps))],
            threshold,
        )
        said = evaluator.finalize()[1]
        return {
            "ap": float(said["AP"]) / 100,
            "max_f1": float(said["Max-F1"]) / 100,
            "cious": [float(one) for one in evaluator.ciou_list],
        }
