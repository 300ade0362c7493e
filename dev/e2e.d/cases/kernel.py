"""A node with the kernel's client beside one with ceph-fuse: one volume on both, and the plugin's pod dies.

The StorageClass asks for the kernel's client. The node in the virtual machine has it; the other one has not, mounts
by ceph-fuse, and says so.
"""

import objects
from guest_node import NAME, PATIENCE, GuestNode
from kube import check, say, wait
from setting import PLUGIN
from writer import Writer

CLASS = "kernel"


def run(t):
    t.kube.apply(objects.storage_class(CLASS, mounter="kernel"))
    with GuestNode():
        t.system.ready(PLUGIN, count=2, patience=PATIENCE)
        t.setting.registered(NAME)
        shared(t)
        plugin_dies(t)
        grown(t)
        end(t)
    t.cleanup("storageclass", CLASS)
    t.system.ready(PLUGIN)


def shared(t):
    say("")
    say("One volume on both nodes")
    t.kube.apply(
        objects.claim("shared", storage_class_name=CLASS),
        objects.pod("here", "shared", node="node-1"),
        objects.pod("there", "shared", node=NAME),
    )
    t.kube.bound("shared")
    t.kube.running("here")
    t.kube.running("there", patience=PATIENCE)
    check(kind_of_mount(t, "there") == "ceph", f"{NAME} mounts it with the kernel's client")
    check(kind_of_mount(t, "here") == "fuse.ceph-fuse", "node-1, whose kernel has none, with ceph-fuse")
    t.kube.event("PersistentVolumeClaim", "shared", "mounted with `fuse` instead")
    for writer, reader in (("here", "there"), ("there", "here")):
        t.kube.execute(writer, f"echo from {writer} >/data/{writer}; sync /data/{writer}")
        seen = t.kube.execute(reader, f"cat /data/{writer}")
        check(seen == f"from {writer}\n", "the other pod sees the file", seen)


def kind_of_mount(t, pod):
    return t.kube.execute(pod, "grep ' /data ' /proc/mounts").split()[2]


def plugin_dies(t):
    say("")
    say(f"The plugin's pod on {NAME} dies while a pod there writes")
    writer = Writer(t.kube, "shared", "here", node=NAME)
    old = plugin(t)
    t.system.delete("pod", old)
    t.system.gone("pod", old, patience=PATIENCE)
    t.system.ready(PLUGIN, count=2, patience=PATIENCE)
    writer.goes_on()
    t.kube.apply(objects.pod("late", "shared", node=NAME))
    t.kube.running("late", patience=PATIENCE)
    seen = t.kube.execute("late", "cat /data/here")
    check(seen == "from here\n", "a pod that comes later, with the new plugin, sees the file", seen)
    writer.end()


def plugin(t):
    """The name of the plugin's pod on the node."""
    pods = t.system.list("pods", "-l", PLUGIN, "--field-selector", f"spec.nodeName={NAME}")
    return pods[0]["metadata"]["name"]


def grown(t):
    say("")
    say("Grown in use")
    patch = '{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}'
    t.kube.run("patch", "pvc", "shared", "-p", patch)
    for pod in ("here", "there"):
        wait(f"pod {pod} sees 2 GiB", lambda pod=pod: kib(t, pod) == 2 << 20)


def kib(t, pod):
    return int(t.kube.execute(pod, "df -P -k /data | tail -n 1 | awk '{print $2}'", shown=False))


def end(t):
    say("")
    say("The end")
    name = t.subvolume("shared")
    pods = ("here", "there", "late", "writer")
    for pod in pods:
        t.kube.delete("pod", pod)
    for pod in pods:
        t.kube.gone("pod", pod, patience=PATIENCE)
    t.kube.delete("pvc", "shared")
    t.kube.gone("pvc", "shared")
    wait("the subvolume is gone", lambda: name not in t.ceph.subvolumes())
