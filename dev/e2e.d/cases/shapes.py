"""The driver is installed in its other shape and back, with three containers on the node and one, while a pod writes."""

import objects
from kube import check, say, wait
from setting import CLASSIC, COMPACT, PLUGIN, PROVISIONER
from writer import Writer


def run(t):
    t.kube.apply(objects.claim("shared"), objects.pod("reader", "shared"))
    t.kube.running("reader")
    writer = Writer(t.kube, "shared", "reader")
    for title, directory, containers in (("classic", CLASSIC, 3), ("compact", COMPACT, 1)):
        say("")
        say(f"The {title} shape")
        t.system.run("apply", "-k", directory)
        for name in ("daemonset/csi-cephfsplugin", "deployment/csi-cephfsplugin-provisioner"):
            t.system.run("rollout", "status", name, "--timeout=300s")
        pod = t.system.ready(PLUGIN)[0]
        t.system.ready(PROVISIONER, count=3)
        found = len(t.system.get("pod", pod)["spec"]["containers"])
        check(found == containers, f"the plugin's pod has {containers} container{'s' * (containers > 1)}", found)
        t.setting.registered()
        for service in ("csi-metrics-cephfsplugin", "csi-cephfsplugin-provisioner"):
            wait(f"{service} says csi_liveness 1", lambda: "csi_liveness 1" in metrics(t, service))
        writer.goes_on()
        t.kube.apply(objects.claim(title), objects.pod(title, "shared", title))
        t.kube.running(title)
    say("")
    writer.end()


def metrics(t, service):
    """As Prometheus would get them, by way of the API server."""
    path = f"/api/v1/namespaces/{objects.SYSTEM}/services/{service}:http-metrics/proxy/metrics"
    return t.system.run("get", "--raw", path, shown=False, tolerate=True) or ""
