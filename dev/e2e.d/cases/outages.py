"""The kubelet, the plugin or Ceph is away for a while, and a namespace goes while its volumes are made."""

import subprocess
import time

import objects
from kube import check, say, wait
from setting import PLUGIN
from writer import Writer

AWAY = 60  # seconds


def run(t):
    t.kube.apply(objects.claim("shared"), objects.pod("other", "shared"))
    t.kube.running("other")
    writer = Writer(t.kube, "shared", "other")
    kubelet(t)
    rolled(t)
    writer.goes_on()
    ceph(t)
    writer.goes_on()
    namespace(t)
    say("")
    writer.end()


def kubelet(t):
    say("")
    say("The kubelet is restarted")
    log = t.mounted("other", "shared") + "/log"
    t.stop_kubelet()
    try:
        before = lines_of(log)
        wait("the writer goes on without it", lambda: lines_of(log) > before + 10)
    finally:
        t.start_kubelet()
    t.kube.apply(objects.pod("after-kubelet", "shared"))
    t.kube.running("after-kubelet")
    t.kube.delete("pod", "after-kubelet")
    t.kube.gone("pod", "after-kubelet")


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return sum(1 for _ in file)


def rolled(t):
    say("")
    say("The DaemonSet is rolled, and a pod wants a volume meanwhile")
    t.system.run("rollout", "restart", "daemonset/csi-cephfsplugin")
    t.kube.apply(objects.pod("meanwhile", "shared"))
    t.system.run("rollout", "status", "daemonset/csi-cephfsplugin", "--timeout=300s")
    t.system.ready(PLUGIN)
    t.kube.running("meanwhile")
    t.kube.delete("pod", "meanwhile")


def ceph(t):
    say("")
    say(f"Ceph is down for {AWAY} s, and volumes are asked for, grown and deleted meanwhile")
    t.kube.apply(objects.claim("goes"), objects.claim("grows"))
    t.kube.bound("goes", "grows")
    t.ceph.close()
    dev_ceph("down")
    try:
        asked(t)
    finally:
        dev_ceph("up")
        t.ceph.open()
    t.kube.bound("comes")
    t.kube.running("comes")
    wait("the other one has grown", lambda: t.kube.get("pvc", "grows")["status"]["capacity"]["storage"] == "2Gi")
    t.kube.gone("pvc", "goes")
    wait("one subvolume for each claim", lambda: len(t.ceph.subvolumes()) == len(t.kube.list("pvc")))


def asked(t):
    """What users want while Ceph is away."""
    since = time.monotonic()
    t.kube.apply(objects.claim("comes"), objects.pod("comes", "comes"))
    t.kube.run("patch", "pvc", "grows", "-p", '{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}')
    t.kube.delete("pvc", "goes")
    t.kube.event("PersistentVolumeClaim", "comes", "no answer")
    while time.monotonic() - since < AWAY:
        time.sleep(1)
    check(t.kube.get("pvc", "comes")["status"]["phase"] == "Pending", "nothing is bound that is not there")


def namespace(t):
    say("")
    say("A namespace is deleted while its volumes are made")
    other = t.other("short-lived")
    other.apply(objects.named("v1", "Namespace", other.namespace))
    claims = [objects.claim(f"claim-{i:02}") for i in range(20)]
    other.quietly(*claims)
    wait("some are bound", lambda: any(c.get("status", {}).get("phase") == "Bound" for c in other.list("pvc")))
    other.delete("namespace", other.namespace)
    other.gone("namespace", other.namespace)
    here = len(t.kube.list("pvc"))
    wait("no volume of it is left", lambda: len(t.kube.list("pv")) == here == len(t.ceph.subvolumes()))


def dev_ceph(command):
    say(f"$ dev/ceph {command}")
    subprocess.run(["dev/ceph", command], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
