"""Prints what csi-sanity skipped or failed and why, and how many tests passed, failed and were skipped."""

import collections
import json
import sys
import textwrap

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
        failure = spec.get("Failure", {})
        reason = failure.get("Message") or spec["State"]
        if state == "skipped":
            print(f"{state}: {name}: {reason.splitlines()[0]}")
            continue
        place = failure.get("Location", {})
        print(f"{state}: {name}: {place.get('FileName')}:{place.get('LineNumber')}, after {spec['RunTime'] / 1e9:.1f} s")
        print(textwrap.indent(reason, "  "))
print("{passed} passed, {failed} failed, {skipped} skipped".format_map(collections.defaultdict(int, states)))
