"""The programs that build manifests, and what reads their output."""

import os
import pathlib
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
CHART = ROOT / "charts" / "spirula-cephfs"
# Without a cluster helm has to be told; a helm that is built by `go install` believes in 1.20.
KUBERNETES = ["--kube-version", "1.30.14"]
DRIVER = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug" / "spirula"


class Failures:
    """Runs checks, which return what is wrong, and counts them."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, wrong):
        """`wrong` is a list of complaints."""
        wrong = list(wrong)
        if wrong:
            self.failed += 1
            print(f"FAILED {name}")
            for complaint in wrong:
                print(f"  {complaint}")
        else:
            self.passed += 1
            print(f"ok     {name}")


def tool(name, *arguments):
    """Runs a program of .cache/bin; the result has its output and its errors."""
    command = [ROOT / ".cache" / "bin" / name, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def output(result):
    if result.returncode:
        raise SystemExit(f"{' '.join(map(str, result.args))}: {result.stderr}")
    return result.stdout


def parse(text):
    return [obj for obj in yaml.safe_load_all(text) if obj]


def kustomize(overlay):
    return parse(output(tool("kustomize", "build", str(DEPLOY / "kubernetes" / overlay))))


def kustomize_with(overlay, component):
    """The same with a component, as a copy of site/ would name it."""
    with tempfile.TemporaryDirectory() as directory:
        overlay, component = (os.path.relpath(DEPLOY / "kubernetes" / of, directory) for of in (overlay, component))
        (pathlib.Path(directory) / "kustomization.yaml").write_text(
            yaml.safe_dump({"kind": "Kustomization", "resources": [overlay], "components": [component]})
        )
        return parse(output(tool("kustomize", "build", directory)))


def helm(values=None, release="ceph-csi-cephfs"):
    """The chart's output for these values, given as text of a values file."""
    extra = ["--values", "-"] if values is not None else []
    command = [ROOT / ".cache" / "bin" / "helm", "template", release, CHART, "--namespace", "ceph-csi"]
    command += [*KUBERNETES, *extra]
    return subprocess.run(command, cwd=ROOT, input=values, capture_output=True, text=True, timeout=120)


def name(obj):
    return f"{obj['kind']}/{obj['metadata']['name']}"


def by_name(objects):
    return {name(obj): obj for obj in objects}


def pods(objects):
    """The name and the pod's metadata and spec of each Deployment and DaemonSet."""
    for obj in objects:
        if obj["kind"] in ("Deployment", "DaemonSet"):
            template = obj["spec"]["template"]
            yield name(obj), template["metadata"], template["spec"]
