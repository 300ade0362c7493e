"""Events tell what no answer to a request does: another client, a dead one, a slow copy, a deletion that waits."""

import os
import signal

import objects
from kube import check, say, wait

CLASS = "kernel"
DELAY = "mgr/volumes/snapshot_clone_delay"  # before each copy
SLOW = 60  # seconds; after half of them a user is told


def run(t):
    t.setting.install_snapshots()
    say("")
    t.kube.apply(objects.storage_class(CLASS, mounter="kernel"))
    t.kube.apply(objects.claim("volume", storage_class_name=CLASS), objects.pod("user", "volume"))
    t.kube.bound("volume")
    t.kube.running("user")
    fallback(t)
    recovered(t)
    not_recovered(t)
    copies(t)
    t.setting.clear(t.kube)
    t.cleanup("storageclass", CLASS)


def fallback(t):
    say("")
    say("The StorageClass asks for the kernel's client")
    kind = t.kube.execute("user", "grep ' /data ' /proc/mounts").split()[2]
    if kind == "ceph":
        say("      this machine's kernel has it: there is nothing to tell")
        return
    told(t, "PersistentVolumeClaim", "volume", "MounterFallback", "is mounted with `fuse` instead")


def recovered(t):
    say("")
    say("The volume's client dies")
    t.kube.execute("user", "echo kept >/data/file; sync")
    path = t.volume("volume")["spec"]["csi"]["volumeAttributes"]["subvolumePath"]
    if not killed(path):
        say("      it is the kernel's, which does not")
        return
    told(t, "PersistentVolumeClaim", "volume", "VolumeRecovered", "mounted anew on node node-1")
    t.kube.apply(objects.pod("next", "volume"))
    t.kube.running("next")
    check(t.kube.execute("next", "cat /data/file") == "kept\n", "a pod that comes later has the volume")


def not_recovered(t):
    say("")
    say("Somebody removes the directory of another volume from Ceph, and its client dies")
    t.kube.apply(objects.claim("removed", storage_class_name=CLASS), objects.pod("victim", "removed"))
    t.kube.bound("removed")
    t.kube.running("victim")
    path = t.volume("removed")["spec"]["csi"]["volumeAttributes"]["subvolumePath"]
    t.ceph.command("fs subvolume rm", sub_name=t.subvolume("removed"), group_name=t.ceph.group)
    if killed(path):
        told(t, "PersistentVolumeClaim", "removed", "RecoveryFailed", "cannot be mounted anew")
    t.kube.delete("pod", "victim")
    t.kube.gone("pod", "victim")
    t.kube.delete("pvc", "removed")
    t.kube.gone("pvc", "removed")


def killed(path):
    """Kills the processes that serve this path of Ceph; whether there were any."""
    clients = list(ceph_fuses(path))
    for pid in clients:
        say(f"$ kill -9 {pid} # ceph-fuse")
        os.kill(pid, signal.SIGKILL)
    return bool(clients)


def ceph_fuses(path):
    """The processes that serve this path of Ceph."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().decode().split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if os.path.basename(words[0]) == "ceph-fuse" and path in words:
            yield int(pid)


def copies(t):
    say("")
    say("Ceph is slow to make copies, and somebody makes one of a snapshot that is deleted")
    t.kube.apply(objects.snapshot("moment", "volume"))
    status = lambda: t.kube.get("volumesnapshot", "moment").get("status") or {}
    wait("the snapshot is ready to use", lambda: status().get("readyToUse"))
    source = t.subvolume("volume")
    (snapshot,) = t.ceph.snapshots(source)
    t.ceph.setting(DELAY, str(SLOW))
    try:
        clone = {"sub_name": source, "group_name": t.ceph.group, "snap_name": snapshot, "target_sub_name": "by-hand"}
        t.ceph.command("fs subvolume snapshot clone", **clone)
        t.kube.apply(objects.claim("copy", source=("PersistentVolumeClaim", "volume"), storage_class_name=CLASS))
        t.kube.delete("volumesnapshot", "moment")
        told(t, "VolumeSnapshot", "moment", "DeletionBlocked", "(by-hand)")
        told(t, "PersistentVolumeClaim", "copy", "SlowClone", "has been in the making")
    finally:
        t.ceph.setting(DELAY, "0")
    t.kube.bound("copy")
    t.kube.gone("volumesnapshot", "moment")
    t.ceph.command("fs subvolume rm", sub_name="by-hand")


def told(t, kind, name, reason, part):
    """The Event is there, as a user sees it."""
    about = f"--field-selector=involvedObject.kind={kind},involvedObject.name={name},reason={reason}"
    columns = "custom-columns=TYPE:.type,REASON:.reason,OBJECT:.involvedObject.name,MESSAGE:.message"
    see = lambda shown=False: t.kube.run("get", "events", about, "--no-headers", "-o", columns, shown=shown)
    wait(f"there is an event {reason} about {kind} {name}", see)
    text = see(shown=True)
    for line in text.splitlines():
        say(line)
    check(part in text, f"it has {part!r}", text)
