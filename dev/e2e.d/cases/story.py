"""From installing the driver to deleting the last volume: three pods share a file, the plugin's pod dies.

An administrator installs driver and StorageClass, a team claims 1Gi for many writers, and three pods of a
Deployment use it: the commands of the README's first page. While a pod writes and syncs, the node plugin's pod is
deleted. Nobody notices.
"""

import json

import objects
from kube import check, say, wait
from setting import PLUGIN
from writer import Writer

# Those of deploy/examples.
CLAIM = "csi-cephfs-pvc"
USERS = "csi-cephfs-demo"


def run(t):
    say("The administrator")
    t.setting.install()
    claim_and_share(t)
    say("")
    say("The plugin's pod dies while a pod writes")
    pods = t.kube.ready(f"app={USERS}", count=3)
    writer = Writer(t.kube, CLAIM, pods[0])
    old = t.system.ready(PLUGIN)[0]
    t.system.delete("pod", old)
    t.system.gone("pod", old)
    t.system.ready(PLUGIN)
    writer.goes_on()
    writer.end()
    check(restarts(t) == 0, "no container of a user was restarted")

    say("")
    say("A pod that comes later, with the new plugin")
    t.kube.apply(objects.pod("late", CLAIM))
    t.kube.running("late")
    check(t.kube.execute("late", "cat /data/greeting") == "hello\n", "it sees the file")

    say("")
    say("The end")
    name = t.subvolume(CLAIM)
    t.kube.delete("deployment", USERS)
    t.kube.delete("pod", "writer")
    t.kube.delete("pod", "late")
    for pod in ("writer", "late"):
        t.kube.gone("pod", pod)
    t.kube.delete("pvc", CLAIM)
    t.kube.gone("pvc", CLAIM)
    wait("the subvolume is gone", lambda: name not in t.ceph.subvolumes())


def claim_and_share(t):
    say("")
    say("The team")
    t.setting.first_page.use(t.kube.namespace)
    t.kube.bound(CLAIM)
    pods = t.kube.ready(f"app={USERS}", count=3)
    written = lambda: t.kube.execute(pods[0], "cat /data/shared 2>&1; true", shown=False)
    wait("all three write to one file", lambda: all(pod in written() for pod in pods), instead=written)
    t.kube.execute(pods[0], "echo hello >/data/greeting")
    for pod in pods[1:]:
        check(t.kube.execute(pod, "cat /data/greeting") == "hello\n", "the other pod sees the file")
    size = t.kube.execute(pods[0], "df -k /data | tail -n 1 | awk '{print $2}'")
    check(int(size) == 1024 * 1024, "the volume shows 1 GiB", size)

    say("")
    say("In Ceph")
    name = t.subvolume(CLAIM)
    check(name in t.ceph.subvolumes(), f"there is the subvolume {name}")
    info = t.ceph.subvolume(name)
    check(info["bytes_quota"] == 1 << 30, "its quota is 1 GiB", info["bytes_quota"])
    check(info["bytes_used"] >= 0, f"it is in the pool {info['data_pool']}")
    metadata = json.dumps(t.ceph.command("fs subvolume metadata ls", sub_name=name, group_name=t.ceph.group))
    check(f'"{CLAIM}"' in metadata and f'"{t.kube.namespace}"' in metadata, "it has the names of claim and namespace", metadata)


def restarts(t):
    return sum(c["restartCount"] for pod in t.kube.list("pods") for c in pod["status"].get("containerStatuses", []))
