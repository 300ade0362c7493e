"""A group snapshot shows one moment of two volumes, and volumes are restored from it. Needs dev/e2e --ceph 20."""

import objects
from kube import check, say, wait
from setting import PROVISIONER

CEPH = 20  # older ones cannot hold writes back

GROUP = {"group": "together"}
# Appends the same count to both volumes, one after the other.
WRITER = """
n=0
while :; do
  n=$((n + 1))
  echo $n >>/data0/log && sync /data0/log || break
  echo $n >>/data1/log && sync /data1/log || break
done
"""


def run(t):
    t.setting.install_snapshots()
    # The snapshotter looks for the definitions when it starts.
    t.system.run("rollout", "restart", "deployment/csi-cephfsplugin-provisioner")
    t.system.run("rollout", "status", "deployment/csi-cephfsplugin-provisioner", "--timeout=300s")
    t.system.ready(PROVISIONER, count=3)
    t.kube.apply(objects.group_snapshot_class())
    say("")
    for name in ("first", "second"):
        claim = objects.claim(name)
        claim["metadata"]["labels"] = GROUP
        t.kube.apply(claim)
    t.kube.apply(objects.pod("writer", "first", "second", script=WRITER))
    t.kube.bound("first", "second")
    t.kube.running("writer")
    wait("the writer writes", lambda: last(t, "writer", 1) > 20)

    say("")
    t.kube.apply(objects.group_snapshot("moment", GROUP))
    wait("the group snapshot is ready to use", lambda: (found(t).get("status") or {}).get("readyToUse"))
    during = last(t, "writer", 1)
    members = [s["metadata"]["name"] for s in t.kube.list("volumesnapshot")]
    check(len(members) == 2, "it has a snapshot of each volume", members)
    for name in ("first", "second"):
        check(len(t.ceph.snapshots(t.subvolume(name))) == 1, f"the one of {name} is in Ceph")
    wait("the writer goes on", lambda: last(t, "writer", 1) > during + 20)

    say("")
    copies = [f"copy-{i}" for i in range(2)]
    for copy, member in zip(copies, members):
        wait(f"{member} is ready to use", lambda: ready(t, member))
        t.kube.apply(objects.claim(copy, source=("VolumeSnapshot", member)))
    t.kube.apply(objects.pod("reader", *copies))
    t.kube.running("reader")
    counts = [last(t, "reader", i) for i in range(2)]
    check(abs(counts[0] - counts[1]) <= 1, "both volumes are restored as they were at one moment", counts)

    say("")
    t.kube.delete("volumegroupsnapshot", "moment")
    t.kube.gone("volumegroupsnapshot", "moment")
    wait("its snapshots are gone", lambda: not t.kube.list("volumesnapshot"))
    for name in ("first", "second"):
        wait(f"in Ceph too, of {name}", lambda: not t.ceph.snapshots(t.subvolume(name)))
    t.setting.clear(t.kube)
    t.cleanup("volumegroupsnapshotclass", objects.GROUP_SNAPSHOT_CLASS)


def last(t, pod, volume):
    """The last complete line of a volume's log."""
    return int(t.kube.execute(pod, f"cat /data{volume}/log 2>/dev/null | wc -l", shown=False))


def found(t):
    return t.kube.get("volumegroupsnapshot", "moment")


def ready(t, snapshot):
    return (t.kube.get("volumesnapshot", snapshot).get("status") or {}).get("readyToUse")
