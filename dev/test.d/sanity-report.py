"""Prints what csi-sanity skipped and why, and how many tests passed, failed and were skipped."""

import collections
import json
import sys

with open(sys.argv[1]) as report:
    specs = [spec for suite in json.load(report) for spec in suite["SpecReports"]]
states = collections.Counter()
for spec in specs:
    if spec["LeafNodeType"] != "It":
        continue
    state = {"passed": "passed", "skipped": "skipped", "pending": "skipped"}.get(spec["State"], "failed")
    states[state] += 1
    if state != "passed":
        name = " ".join([*spec["ContainerHierarchyTexts"], spec["LeafNodeText"]])
        reason = spec.get("Failure", {}).get("Message") or spec["State"]
        print(f"{state}: {name}: {reason.splitlines()[0]}")
print("{passed} passed, {failed} failed, {skipped} skipped".format_map(collections.defaultdict(int, states)))
