"""What somebody does to the data set with FiftyOne itself, in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def run_script(code: str, world: Path, environment: dict[str, str]) -> Any:
    """Run Python in a process with FiftyOne; return what its last line says."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(world)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


DECISIONS = """
import json, sys
import fiftyone as fo
from vggss_tools.verify.review import Review, build
from vggss_tools.workspace import Workspace
build(Review(Workspace(sys.argv[1]), "test", "ann"), print)
frames = fo.load_dataset("vggss-tools-test").select_group_slices("frame")
rows = zip(*frames.values(["clip_id", "decision.label", "opinions"]))
print(json.dumps({clip: decision for clip, decision, opinions in rows if opinions}))
"""
EDIT = """
import json, sys
import fiftyone as fo
from vggss_tools.verify.review import Review, build
from vggss_tools.workspace import Workspace
build(Review(Workspace(sys.argv[1]), "test", "ann"), print)
dataset = fo.load_dataset("vggss-tools-test")
frames = list(dataset.select_group_slices("frame"))[:4]
tagged, decided, drawn, unclear = frames
for sample in dataset.select_group_slices("clip"):
    if sample.clip_id == tagged.clip_id:
        sample.tags.append("rejected")
        sample.save()
decided["decision"] = fo.Classification(label="not sure")
drawn["ground_truth"].detections.append(
    fo.Detection(label="dog barking", bounding_box=[0.25, 0.25, 0.25, 0.5], tags=["silent"])
)
unclear["ground_truth"].detections.append(fo.Detection(label="x", bounding_box=[0.5, 0.5, 0, 0]))
for sample in frames:
    sample.save()
print(json.dumps([sample.clip_id for sample in frames]))
"""
LATER = """
import json, sys, time
from pathlib import Path
from vggss_tools.annotate.events import new_event
from vggss_tools.annotate.importing import AnswerFile, plan_import
from vggss_tools.annotate.items import WorkspaceItems
from vggss_tools.annotate.log import append_events, read_events
from vggss_tools.errors import InvalidInput
from vggss_tools.verify.desk import Desk
from vggss_tools.verify.review import Review, build, sync
from vggss_tools.verify.sync import read_answers
from vggss_tools.workspace import Workspace
import fiftyone as fo
workspace = Workspace(sys.argv[1])
name = "vggss-tools-test"
found = {}
dataset = fo.load_dataset(name)
tagged, decided, drawn, unclear = list(dataset.select_group_slices("frame"))[:4]
unclear["ground_truth"].detections.pop()
unclear.save()

def imported():
    files = [AnswerFile("it", read_answers(name, workspace.root))]
    plan = plan_import(files, WorkspaceItems(workspace), tool="test", reviewer="cal")
    return [[event.clip_id, event.decision] for event in plan.events]

review = Review(workspace, "test", "ann")
found["synced again"] = len(sync(review).clips)
# The data set has not heard of this one: what it still says is no newer answer.
append_events(workspace.annotations_log, [new_event(
    decided.clip_id, decided.label.label, "yes", stage="verify", reviewer="bob", tool="test")])
found["imported, nothing changed"] = len(imported())
session = build(review, print)
clips = {sample.clip_id: sample for sample in dataset.select_group_slices("clip")}
clip = clips[drawn.clip_id]
clip.tags.append("rejected")
clip.save()
found["imported, tagged clip"] = imported()
drawn.reload()
before = drawn["decision"].label
drawn["decision"] = fo.Classification(label="not sure")
drawn.save()
try:
    imported()
except ValueError as error:
    found["contradiction"] = str(error)
drawn["decision"] = fo.Classification(label=before)
drawn.save()
try:
    read_answers(name, Path("/elsewhere"))
except InvalidInput as error:
    found["elsewhere"] = str(error)
desk = Desk(session)
unclear["ground_truth"].detections.append(fo.Detection(label="x", bounding_box=[0, 0, 0, 0.5]))
unclear.save()
found["said in the panel"] = desk.question(unclear.clip_id)["left_out"]
unclear["ground_truth"].detections.pop()
unclear.save()
decided.reload()
decided["decision"] = None
decided.save()
desk.question(decided.clip_id)
undo = read_events(workspace.annotations_log)[-1]
found["taken out"] = [undo.clip_id, undo.decision, undo.supersedes]
before = len(read_events(workspace.annotations_log))
build(Review(workspace, "test", "bob", rebuild=True), print)
found["rebuilt"] = [[e.clip_id, e.decision, e.reviewer]
                    for e in read_events(workspace.annotations_log)[before:]]
desk.answer(unclear.clip_id, "yes", [])
end = time.monotonic() + 60
while time.monotonic() < end:
    frames = fo.load_dataset(name, reload=True).select_group_slices("frame")
    told = dict(zip(*frames.values(["clip_id", "decision.label"])))[unclear.clip_id]
    if told == "yes":
        break
found["told after the rebuild"] = told
print(json.dumps(found))
"""
