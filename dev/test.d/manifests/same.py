"""The chart and deploy/kubernetes describe one driver: with the values below they differ in names and labels only."""

import json

from tools import by_name, helm, kustomize, kustomize_with, output, parse, pods

# What the manifests say and the chart leaves to the values, as in the original.
VALUES = """
nodeplugin:
  forcecephkernelclient: true
  httpMetrics: {containerPort: 8681}
provisioner:
  httpMetrics: {containerPort: 8681}
  provisioner: {args: {httpEndpointPort: 8090}}
  resizer: {args: {httpEndpointPort: 8091}}
  snapshotter: {args: {httpEndpointPort: 8092, enableVolumeGroupSnapshots: true}}
"""
# Names of objects, which differ.
CHART = {
    "ClusterRole/cephfs-external-provisioner-runner": "ClusterRole/ceph-csi-cephfs-provisioner",
    "ClusterRole/cephfs-csi-nodeplugin": "ClusterRole/ceph-csi-cephfs-nodeplugin",
    "Role/cephfs-external-provisioner-cfg": "Role/ceph-csi-cephfs-provisioner",
    "CSIDriver/cephfs.csi.ceph.com": "CSIDriver/cephfs.csi.ceph.com",
}
DIFFERENT_IN_PODS = ("serviceAccountName", "affinity", "containers", "volumes")


def run(failures):
    for title, overlay, extra in [("classic", ".", ""), ("compact", "compact", "compact: true")]:
        ours = kustomize(overlay)
        chart = parse(output(helm(VALUES + extra)))
        failures.check(f"chart and manifests, {title}: rules", rules(ours, chart))
        failures.check(f"chart and manifests, {title}: pods", both(ours, chart))
    ours, chart = kustomize_with(".", "metrics"), parse(output(helm(VALUES + "driverMetrics: {enabled: true}")))
    failures.check("chart and manifests, with metrics: pods", both(ours, chart))


def rules(ours, chart):
    ours, chart = by_name(ours), by_name(chart)
    for name, other in CHART.items():
        for field in ("rules", "spec"):
            have, want = chart[other].get(field), ours[name].get(field)
            if field == "rules" and have is not None:
                have, want = sorted(map(text, have)), sorted(map(text, want))
            if have != want:
                yield f"{name}: {want}, chart: {have}"


def both(ours, chart):
    kinds = {name.partition("/")[0]: spec for name, _, spec in pods(chart)}
    for name, _, spec in pods(ours):
        other = kinds[name.partition("/")[0]]
        yield from differing(name, plain(spec), plain(other))


def plain(spec):
    """A pod's spec, as far as it should be the same, and without the order of things that have names."""
    result = {key: value for key, value in spec.items() if key not in DIFFERENT_IN_PODS}
    result.setdefault("hostNetwork", False)
    for volume in spec["volumes"]:
        volume = dict(volume)
        if "hostPath" in volume:
            volume["hostPath"] = {**volume["hostPath"], "path": volume["hostPath"]["path"].rstrip("/")}
        if "configMap" in volume:
            # The chart makes ceph.conf, so it need not do without.
            volume["configMap"] = volume["configMap"]["name"]
        result[f"volume {volume['name']}"] = volume
    for container in spec["containers"]:
        for key, value in container.items():
            result[f"{container['name']} {key}"] = unordered(key, value)
    return result


def unordered(key, value):
    if key == "args":
        # Said for each log line and by default alike.
        return sorted(arg for arg in value if not arg.startswith(("--drivername=", "--logslowopinterval=")))
    if key == "env":
        return sorted(text(entry) for entry in value if entry["name"] != "DRIVER_NAME")
    if key in ("volumeMounts", "ports"):
        return sorted(map(text, value))
    return value


def text(value):
    return json.dumps(value, sort_keys=True)


def differing(title, want, have):
    for key in sorted({*want, *have}):
        if want.get(key) != have.get(key):
            yield f"{title}, {key}: {want.get(key)}, chart: {have.get(key)}"
