"""The ``metadata.json`` of a FiftyOne data set: which fields it has, and of which types.

The layout is that of FiftyOne 1.0; newer versions migrate it as they read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

VERSION = "1.0.0"
_EPOCH = {"$date": "2000-01-01T00:00:00Z"}
_FIELDS = "fiftyone.core.fields."
_LABELS = "fiftyone.core.labels."


def dataset_document(
    dataset_id: Mapping[str, str], info: Mapping[str, Any], slices: Mapping[str, str], default: str
) -> dict[str, Any]:
    """Return the document of a data set with groups; FiftyOne gives it a name as it reads it."""
    number = dataset_id["$oid"]
    return {
        "_id": dict(dataset_id),
        "name": "vggss-tools",
        "slug": "vggss-tools",
        "version": VERSION,
        "created_at": _EPOCH,
        "last_loaded_at": _EPOCH,
        "sample_collection_name": f"samples.{number}",
        "frame_collection_name": f"frames.samples.{number}",
        "persistent": False,
        "media_type": "group",
        "group_field": "group",
        "group_media_types": dict(slices),
        "default_group_slice": default,
        "tags": [],
        "info": dict(info),
        "app_config": {},
        "classes": {"decision": ["yes", "no", "not sure"]},
        "default_classes": [],
        "mask_targets": {},
        "default_mask_targets": {},
        "skeletons": {},
        "sample_fields": _sample_fields(),
        "frame_fields": _frame_fields(),
        "saved_views": [],
        "workspaces": [],
        "annotation_runs": {},
        "brain_methods": {},
        "evaluations": {},
        "runs": {},
    }


def _sample_fields() -> list[dict[str, Any]]:
    return [
        _field("id", "ObjectIdField", db_field="_id"),
        _field("filepath", "StringField"),
        _field("tags", "ListField", subfield="StringField"),
        _field(
            "metadata",
            document="fiftyone.core.metadata.Metadata",
            fields=[
                _field("size_bytes", "IntField"),
                _field("mime_type", "StringField"),
                _field("width", "IntField"),
                _field("height", "IntField"),
            ],
        ),
        _field("_media_type", "StringField"),
        _field("_rand", "FloatField"),
        _field("_dataset_id", "ObjectIdField"),
        _field(
            "group",
            document="fiftyone.core.groups.Group",
            fields=[_field("id", "ObjectIdField", db_field="_id"), _field("name", "StringField")],
        ),
        _field("clip_id", "StringField"),
        _classification("label"),
        _field(
            "ground_truth",
            document=_LABELS + "Detections",
            fields=[
                _field(
                    "detections",
                    "ListField",
                    document=_LABELS + "Detection",
                    subfield="EmbeddedDocumentField",
                    fields=[
                        _field("id", "ObjectIdField", db_field="_id"),
                        _field("tags", "ListField", subfield="StringField"),
                        _field("label", "StringField"),
                        _field("bounding_box", "ListField", subfield="FloatField"),
                        _field("confidence", "FloatField"),
                        _field("sounding", "BooleanField"),
                    ],
                )
            ],
        ),
        _classification("decision"),
        _field("last_decision", "StringField"),
        _field("last_reviewer", "StringField"),
        _field("last_event", "StringField"),
    ]


def _frame_fields() -> list[dict[str, Any]]:
    return [
        _field("id", "ObjectIdField", db_field="_id"),
        _field("frame_number", "FrameNumberField"),
        _field("_sample_id", "ObjectIdField"),
        _field("_dataset_id", "ObjectIdField"),
    ]


def _classification(name: str) -> dict[str, Any]:
    return _field(
        name,
        document=_LABELS + "Classification",
        fields=[
            _field("id", "ObjectIdField", db_field="_id"),
            _field("tags", "ListField", subfield="StringField"),
            _field("label", "StringField"),
            _field("confidence", "FloatField"),
        ],
    )


def _field(
    name: str,
    kind: str = "EmbeddedDocumentField",
    *,
    document: str | None = None,
    subfield: str | None = None,
    fields: Sequence[dict[str, Any]] = (),
    db_field: str | None = None,
) -> dict[str, Any]:
    return {
        "name": name,
        "ftype": _FIELDS + kind,
        "embedded_doc_type": document,
        "subfield": _FIELDS + subfield if subfield else None,
        "fields": list(fields),
        "db_field": db_field or name,
        "description": None,
        "info": None,
    }
