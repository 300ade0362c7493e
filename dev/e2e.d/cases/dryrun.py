"""The API server takes every object of deploy and of the chart: a server-side dry run, strict about unknown fields."""

import glob
import os
import sys

import objects
from kube import check, say
from setting import CLASSIC, COMPACT, HERE

sys.path.append(os.path.join(HERE, "..", "test.d", "manifests"))
import chart  # noqa: E402
import tools  # noqa: E402

# Those for the Prometheus operator and for OpenShift are of kinds that Kubernetes does not have.
DIRECTORIES = ("deploy/kubernetes", CLASSIC, COMPACT, "deploy/kubernetes/site")
FOREIGN = "monitoring.coreos.com/"
NAMESPACE = "ceph-csi"  # for which the chart is rendered


def run(t):
    t.setting.install_snapshots()
    # Those of the examples have the same names and other parameters, which may not be changed.
    for kind, name in (("storageclass", objects.CLASS), ("volumesnapshotclass", objects.SNAPSHOT_CLASS)):
        t.cleanup(kind, name)
    try:
        manifests(t)
        charts(t)
    finally:
        say("")
        t.system.apply(objects.storage_class(), objects.snapshot_class())


def manifests(t):
    for directory in DIRECTORIES:
        applied(t, f"kubectl apply -k {directory}", "-k", directory)
    say("")
    for file in sorted(glob.glob("deploy/examples/*.yaml")):
        applied(t, f"kubectl apply -f {file}", "-f", file)


def charts(t):
    say("")
    t.kube.apply(objects.named("v1", "Namespace", NAMESPACE))
    for case, values in {"default": None, **chart.cases()["rendered"]}.items():
        things = tools.parse(tools.output(tools.helm(values)))
        known = [thing for thing in things if not thing["apiVersion"].startswith(FOREIGN)]
        applied(t, f"helm template: {case}", "-f", "-", stdin=tools.yaml.safe_dump_all(known))
    t.kube.delete("namespace", NAMESPACE)
    t.kube.gone("namespace", NAMESPACE)


def applied(t, what, *arguments, stdin=None):
    lines = t.kube.run("apply", "--dry-run=server", "--validate=strict", *arguments, stdin=stdin, shown=False)
    count = len(lines.splitlines())
    check(count > 0, f"{what}: {count} object{'s' * (count > 1)}")
