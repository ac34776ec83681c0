"""The FiftyOne data set ``vggss-tools-<split>``: made, brought up to date, and written to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vggss_tools import __version__
from vggss_tools.annotate.events import Decision
from vggss_tools.annotate.fold import ClassState
from vggss_tools.errors import VggssError
from vggss_tools.progress import progress_bar
from vggss_tools.verify.sample_fields import NAMES, fields_of
from vggss_tools.verify.samples import SLICES, Row, new_sample, values_of
from vggss_tools.verify.session_file import Question
from vggss_tools.workspace import Workspace

LAYOUT = 1  # a data set of another one is made anew, after its edits are taken
PREFIX = "vggss-tools-"
BATCH = 500  # clips added at a time

# Name, colour and what for, of the views that every data set gets.
VIEWS = {
    "to verify": ("#6D04FF", "no person has said yes, no or not sure"),
    "not sure": ("#FF6D04", "the newest answer is not sure"),
    "disagreements": ("#EE0000", "people answered differently"),
    "doubtful": ("#499CEF", "doubted by a second opinion"),
}
_SHOWN = ("tags", "label", "ground_truth", "decision", "opinions", "doubt")


def dataset_name(split: str) -> str:
    """Return the name of a split's data set."""
    return f"{PREFIX}{split}"


def find_dataset(fo: Any, workspace: Workspace, split: str) -> Any:
    """Return the split's data set, or None.

    Raises
    ------
    VggssError
        If a data set of that name belongs to another data directory, or is not one of ours.
    """
    name = dataset_name(split)
    if not fo.dataset_exists(name):
        return None
    dataset = fo.load_dataset(name)
    theirs = (dataset.info or {}).get("data")
    if theirs is None:
        raise VggssError(
            f"{name}: FiftyOne has a data set of this name that is not ours; rename it there, "
            "or replace it with --rebuild"
        )
    if Path(theirs) != workspace.root:
        raise VggssError(
            f"{name}: FiftyOne has this data set for {theirs}; take its edits with "
            f"`vggss --data {theirs} verify --split {split} --sync`, then replace it with --rebuild"
        )
    return dataset


def is_current(dataset: Any) -> bool:
    """Whether a data set has the fields that this version writes."""
    return bool((dataset.info or {}).get("layout") == LAYOUT)


def last_reviewer(dataset: Any) -> str | None:
    """Return whose session was the last that was opened on a data set."""
    name = (dataset.info or {}).get("reviewer")
    return name if isinstance(name, str) else None


def remember_reviewer(dataset: Any, reviewer: str) -> None:
    """Keep whose session is opened now: edits that are found later are theirs."""
    dataset.info["reviewer"] = reviewer
    dataset.save()


def make_dataset(fo: Any, workspace: Workspace, split: str) -> Any:
    """Make an empty data set; one of that name is replaced."""
    dataset = fo.Dataset(dataset_name(split), persistent=True, overwrite=True)
    dataset.add_group_field("group", default=SLICES[0])
    _declare_fields(fo, dataset)
    dataset.tags = ["vggss-tools", split]
    dataset.description = (
        f"Clips of the split {split!r} to verify: does the class sound, and in these boxes?"
    )
    dataset.info = {
        "layout": LAYOUT,
        "vggss_tools": __version__,
        "fiftyone": fo.__version__,
        "data": str(workspace.root),
        "log": str(workspace.annotations_log),
        "split": split,
    }
    dataset.save()
    return dataset


def _declare_fields(fo: Any, dataset: Any) -> None:
    """Give every field its type now: many are empty in a new data set."""
    add = dataset.add_sample_field
    add("clip_id", fo.StringField)
    for name, kind in {
        "label": fo.Classification,
        "ground_truth": fo.Detections,
        "decision": fo.Classification,
    }.items():
        add(name, fo.EmbeddedDocumentField, embedded_doc_type=kind)
    add("ground_truth.detections.sounding", fo.BooleanField)
    add("reviewer", fo.StringField)
    add("reviewed_at", fo.DateTimeField)
    add("opinions", fo.ListField, subfield=fo.StringField)
    add("disagreement", fo.BooleanField)
    add("doubt", fo.StringField)
    add("as_written", fo.StringField)
    dataset.create_index("clip_id")


def sample_ids(dataset: Any) -> dict[str, tuple[str, ...]]:
    """Return the ids of a clip's samples, frame first, by clip id."""
    if not dataset.has_field("clip_id"):
        return {}
    by_slice = [
        dict(zip(*dataset.select_group_slices(name).values(["clip_id", "id"]), strict=True))
        for name in SLICES
        if name in dataset.group_slices
    ]
    if len(by_slice) < len(SLICES):
        return {}
    frames, clips = by_slice
    return {clip_id: (frames[clip_id], clips[clip_id]) for clip_id in frames if clip_id in clips}


def refresh(fo: Any, dataset: Any, rows: Sequence[Row]) -> list[Question]:
    """Add what is missing, write what has changed, and take out what is no longer there.

    Returns
    -------
    list of Question
        The questions of ``rows`` with the ids of their samples.
    """
    known = sample_ids(dataset)
    wanted = {row.question.clip_id for row in rows}
    gone = [each for clip_id, ids in known.items() if clip_id not in wanted for each in ids]
    if gone:
        dataset.delete_samples(gone)
    known = {clip_id: ids for clip_id, ids in known.items() if clip_id in wanted}
    _write_changed(fo, dataset, [row for row in rows if row.question.clip_id in known], known)
    known |= _add(fo, dataset, [row for row in rows if row.question.clip_id not in known])
    _add_views(dataset)
    _describe_fields(fo, dataset, sorted({row.question.label for row in rows}))
    return [
        replace(row.question, sample_ids=known[row.question.clip_id])
        for row in rows
        if row.question.clip_id in known
    ]


def write_state(dataset: Any, question: Question, state: ClassState | None) -> None:
    """Write one clip's state into its samples."""
    import fiftyone as fo

    fields = fields_of(state, question.boxes, dataset.info["split"], question.decision)
    for sample_id, slice_name in zip(question.sample_ids, SLICES, strict=False):
        sample = dataset[sample_id]
        sample.reload()
        values = values_of(fo, question, fields, slice_name)
        values["tags"] = fields.with_others(sample.tags)
        for name, value in values.items():
            sample[name] = value
        sample.save()


def _add(fo: Any, dataset: Any, rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    added: dict[str, tuple[str, ...]] = {}
    with progress_bar(label="adding clips", total=len(rows)) as bar:
        for batch in _batches(rows):
            samples = []
            for row in batch:
                group = fo.Group()
                for slice_name in SLICES:
                    samples.append(new_sample(fo, row, group.element(slice_name), slice_name))
            ids = dataset.add_samples(samples, progress=False)
            for index, row in enumerate(batch):
                added[row.question.clip_id] = tuple(ids[2 * index : 2 * index + 2])
            bar.update(len(batch))
    return added


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def _write_changed(
    fo: Any, dataset: Any, rows: Sequence[Row], known: Mapping[str, tuple[str, ...]]
) -> None:
    frames = dataset.select_group_slices("frame") if rows else None
    if frames is None:
        return
    columns = frames.values(["clip_id", "as_written", "opinions", "reviewer", "doubt"])
    stand = {clip_id: rest for clip_id, *rest in zip(*columns, strict=True)}
    changed = []
    for row in rows:
        fields = row.fields
        new = [
            fields.as_written(with_boxes=True),
            list(fields.opinions),
            fields.reviewer,
            row.question.note or None,
        ]
        old = stand[row.question.clip_id]
        if new != [old[0], old[1] or [], *old[2:]]:
            changed.append(row)
    for slice_index, slice_name in enumerate(SLICES):
        ids = {known[row.question.clip_id][slice_index]: row for row in changed}
        if not ids:
            continue
        view = dataset.select_group_slices(slice_name).select(list(ids), ordered=True)
        samples = {
            each: values_of(fo, row.question, row.fields, slice_name) for each, row in ids.items()
        }
        for name in next(iter(samples.values())):
            view.set_values(
                name, {each: values[name] for each, values in samples.items()}, key_field="id"
            )
        tags = dict(zip(*view.values(["id", "tags"]), strict=True))
        view.set_values(
            "tags",
            {each: row.fields.with_others(tags[each]) for each, row in ids.items()},
            key_field="id",
        )


def _add_views(dataset: Any) -> None:
    from fiftyone import ViewField as F

    stages = {
        "to verify": F("opinions").length() == 0,
        "not sure": (F("opinions").length() > 0)
        & (F("decision.label") == NAMES[Decision.NOT_SURE]),
        "disagreements": F("disagreement") == True,  # noqa: E712
        "doubtful": F("doubt") != None,  # noqa: E711
    }
    for name, (color, description) in VIEWS.items():
        dataset.save_view(
            name, dataset.match(stages[name]), description=description, color=color, overwrite=True
        )


def _describe_fields(fo: Any, dataset: Any, labels: Sequence[str]) -> None:
    """Settle what the App shows, and what its Annotate tab lets people edit."""
    dataset.app_config.active_fields = fo.ActiveFields(paths=list(_SHOWN))
    dataset.save()
    if not hasattr(dataset, "set_label_schemas"):
        return  # an older FiftyOne, whose App has no Annotate tab
    dataset.set_label_schemas(
        {
            "ground_truth": {
                "type": "detections",
                "component": "dropdown",
                "classes": list(labels),
                "attributes": [{"name": "sounding", "type": "bool", "component": "toggle"}],
            },
            "decision": {
                "type": "classification",
                "component": "radio",
                "classes": list(NAMES.values()),
                "attributes": [],
            },
        }
    )
    dataset.active_label_schemas = ["ground_truth", "decision"]
