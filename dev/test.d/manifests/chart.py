"""The chart: lint, what it renders, and what it refuses.

Each case of charts/spirula-cephfs/tests/cases.yaml is a values file. What the first one renders is kept whole, in
default.yaml; of the others what differs from that, in <case>.diff, so that a switch shows what it switches.
"""

import difflib
import json

import yaml

from tools import CHART, KUBERNETES, helm, output, parse, tool

TESTS = CHART / "tests"


def cases():
    return yaml.safe_load((TESTS / "cases.yaml").read_text())


def rendered():
    """The name and content of each file of snapshots."""
    default = output(helm())
    yield "default.yaml", default
    for case, values in cases()["rendered"].items():
        text = output(helm(values))
        diff = difflib.unified_diff(default.splitlines(), text.splitlines(), "default", case, n=2, lineterm="")
        # Without the numbers of lines, so that a change above them is none.
        lines = ["@@" if line.startswith("@@") else line.rstrip() for line in diff]
        yield f"{case}.diff", "\n".join(lines) + "\n"


def update():
    for old in [*TESTS.glob("*.diff"), TESTS / "default.yaml"]:
        old.unlink(missing_ok=True)
    for file, text in rendered():
        (TESTS / file).write_text(text)


def run(failures):
    lint = tool("helm", "lint", "--strict", *KUBERNETES, str(CHART))
    failures.check("helm lint", [lint.stdout + lint.stderr] if lint.returncode else [])
    kept = {file.name for file in TESTS.iterdir()} - {"cases.yaml"}
    for file, text in rendered():
        kept.discard(file)
        failures.check(f"helm {file}", changed(TESTS / file, text))
    failures.check("helm: no snapshot without its case", kept)
    for case, values in cases()["rendered"].items():
        twice = [key for key in counted(parse(output(helm(values)))) if key[1] > 1]
        failures.check(f"helm {case}: each object once", twice)
    for case, (values, part) in cases()["refused"].items():
        failures.check(f"helm refuses: {case}", refused(values, part))
    failures.check("helm: the schema knows every value", unknown())
    failures.check("helm: every value is used", unused())
    failures.check("helm: what is said after an installation", notes())


def changed(file, text):
    have = file.read_text() if file.exists() else ""
    hint = "helm renders something else; if it should: dev/test.d/manifests --update"
    diff = list(difflib.unified_diff(have.splitlines(), text.splitlines(), "kept", "rendered", lineterm=""))
    return [hint, *diff] if diff else []


def counted(objects):
    keys = [(obj["kind"], obj["metadata"]["name"]) for obj in objects]
    return {(key, keys.count(key)) for key in keys}


def refused(values, part):
    result = helm(values)
    if result.returncode and part in result.stderr:
        return []
    return [f"want an error with {part!r}, got {result.returncode}: {result.stderr}"]


def leaves(value, path=()):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path


def values():
    return yaml.safe_load((CHART / "values.yaml").read_text())


def unknown():
    """Values that the schema does not know."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    for path in leaves(values()):
        at = schema
        for key in path:
            while "$ref" in at:
                at = schema["definitions"][at["$ref"].rpartition("/")[2]]
            if "properties" not in at:
                break
            if key not in at["properties"]:
                yield ".".join(path)
                break
            at = at["properties"][key]


# Accepted, because the original has them, and without effect, as values.yaml says.
WITHOUT_EFFECT = {"rbac.leastPrivileges", "provisioner.attacher", "provisioner.resizer.name"}
# Used together with what is beside it.
WHOLE = {"provisioner.strategy.rollingUpdate.maxUnavailable", "dashboard.labels.grafana_dashboard"}


def unused():
    """Values that no template mentions."""
    templates = "".join(file.read_text() for file in (CHART / "templates").iterdir())
    for path in leaves(values()):
        if ".".join(path) not in WITHOUT_EFFECT | WHOLE and not mentioned(path[-1], templates):
            yield ".".join(path)


def mentioned(key, templates):
    return f".{key}" in templates or f'"{key}"' in templates


# NOTES.txt is shown by installations only, which need a cluster; so it is taken along in an object.
NOTES = """
extraDeploy:
  - |
    kind: ConfigMap
    metadata: {name: notes}
    data: {notes: {{ include "spirula-cephfs/templates/NOTES.txt" . | quote }}}
"""


def notes():
    for text, part in cases()["notes"]:
        objects = parse(output(helm(text + NOTES)))
        said = [obj["data"]["notes"] for obj in objects if obj["metadata"]["name"] == "notes"]
        if isinstance(part, dict):
            if part["not"] in said[0]:
                yield f"{part['not']!r} is in: {said[0]}"
        elif part not in said[0]:
            yield f"{part!r} is not in: {said[0]}"
