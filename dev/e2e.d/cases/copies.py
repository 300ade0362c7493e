"""A snapshot, a volume restored from it, one that shows it, and a clone of a volume."""

import objects
from kube import check, say, wait


def run(t):
    t.setting.install_snapshots()
    say("")
    t.kube.apply(objects.claim("source"), objects.pod("writer", "source"))
    t.kube.bound("source")
    t.kube.running("writer")
    t.kube.execute("writer", "echo before >/data/state; mkdir /data/dir; echo deep >/data/dir/file; sync")

    t.kube.apply(objects.snapshot("moment", "source"))
    wait("the snapshot is ready to use", lambda: status(t).get("readyToUse"))
    check(status(t)["restoreSize"] == "1Gi", "it tells the size that a volume needs", status(t).get("restoreSize"))
    source = t.subvolume("source")
    check(len(t.ceph.snapshots(source)) == 1, "there is one snapshot in Ceph")
    t.kube.execute("writer", "echo after >/data/state; sync")

    say("")
    t.kube.apply(
        objects.claim("restored", source=("VolumeSnapshot", "moment")),
        objects.claim("cloned", size="2Gi", source=("PersistentVolumeClaim", "source")),
        objects.pod("reader", "restored", "cloned"),
    )
    t.kube.bound("restored", "cloned")
    t.kube.running("reader")
    check(t.kube.execute("reader", "cat /data0/state") == "before\n", "the restored volume shows the moment")
    check(t.kube.execute("reader", "cat /data0/dir/file") == "deep\n", "with its directories")
    check(t.kube.execute("reader", "cat /data1/state") == "after\n", "the clone shows what the source has now")
    t.kube.execute("reader", "echo mine >/data0/state; echo mine >/data1/state; sync")
    check(t.kube.execute("writer", "cat /data/state") == "after\n", "what is written to the copies stays there")
    check(t.ceph.subvolume(t.subvolume("cloned"))["bytes_quota"] == 2 << 30, "the clone is as large as it was asked for")
    check(len(t.ceph.snapshots(source)) == 1, "the clone's own snapshot is gone")

    say("")
    have = t.ceph.subvolumes()
    t.kube.apply(
        objects.claim("shown", modes=["ReadOnlyMany"], source=("VolumeSnapshot", "moment")),
        objects.pod("looker", "shown", read_only=True),
    )
    t.kube.bound("shown")
    t.kube.running("looker")
    check(t.kube.execute("looker", "cat /data/state") == "before\n", "a read-only volume shows the moment")
    check(t.ceph.subvolumes() == have, "without a subvolume of its own")
    refused = t.kube.execute("looker", "touch /data/x 2>&1; echo status $?")
    check("Read-only file system" in refused, "nobody can write to it", refused)

    say("")
    t.kube.delete("pod", "writer")
    t.kube.delete("pvc", "source")
    t.kube.gone("pvc", "source")
    t.kube.delete("volumesnapshot", "moment")
    t.kube.gone("volumesnapshot", "moment")
    check(t.kube.execute("reader", "cat /data0/dir/file") == "deep\n", "a copy does not need its source")
    # That files in it can be read depends on Ceph: docs/install.md.
    check(len(t.ceph.snapshots(source)) == 1, "Ceph keeps the snapshot for the volume that shows it")


def status(t):
    return t.kube.get("volumesnapshot", "moment").get("status") or {}
