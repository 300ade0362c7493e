"""All kinds of volumes: static, ephemeral, for one pod only, a part of one, for a group, read-only."""

import objects
from kube import check, say, wait


def run(t):
    static(t)
    ephemeral(t)
    one_pod(t)
    parts(t)


def static(t):
    say("A directory that the administrator made")
    t.ceph.command("fs subvolume create", sub_name="made-by-hand", group_name=t.ceph.group, size=1 << 30)
    path = t.ceph.subvolume("made-by-hand")["path"]
    attributes = {"clusterID": t.setting.cluster, "fsName": t.ceph.fs, "staticVolume": "true", "rootPath": path}
    t.kube.apply(
        objects.named(
            "v1",
            "PersistentVolume",
            "by-hand",
            spec={
                "accessModes": ["ReadWriteMany"],
                "capacity": {"storage": "1Gi"},
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": "",
                "csi": {
                    "driver": objects.DRIVER,
                    "volumeHandle": "by-hand",
                    "volumeAttributes": {**attributes, "mounter": "fuse"},
                    "nodeStageSecretRef": {"name": objects.SECRET, "namespace": objects.SYSTEM},
                },
            },
        ),
        objects.claim("by-hand", storage_class_name="", volumeName="by-hand"),
        objects.pod("static", "by-hand"),
    )
    t.kube.running("static")
    check(t.kube.execute("static", "echo x >/data/file; cat /data/file") == "x\n", "a pod writes and reads")
    t.kube.delete("pod", "static")
    t.kube.gone("pod", "static")
    t.kube.delete("pvc", "by-hand")
    t.kube.gone("pvc", "by-hand")
    t.kube.delete("pv", "by-hand")
    t.kube.gone("pv", "by-hand")
    check("made-by-hand" in t.ceph.subvolumes(), "the directory stays when claim and volume are deleted")
    t.ceph.command("fs subvolume rm", sub_name="made-by-hand", group_name=t.ceph.group)


def ephemeral(t):
    say("")
    say("A volume that lives as long as its pod")
    pod = objects.pod("ephemeral", "unused")
    template = {"spec": objects.claim("unused")["spec"]}
    pod["spec"]["volumes"] = [{"name": "data", "ephemeral": {"volumeClaimTemplate": template}}]
    t.kube.apply(pod)
    t.kube.running("ephemeral")
    name = t.subvolume("ephemeral-data")
    check(name in t.ceph.subvolumes(), f"there is the subvolume {name}")
    t.kube.delete("pod", "ephemeral")
    t.kube.gone("pod", "ephemeral")
    wait("the subvolume goes with the pod", lambda: name not in t.ceph.subvolumes())


def one_pod(t):
    say("")
    say("A volume for one pod and no other")
    t.kube.apply(objects.claim("alone", modes=["ReadWriteOncePod"]), objects.pod("first", "alone"))
    t.kube.running("first")
    t.kube.apply(objects.pod("second", "alone"))
    t.kube.event("Pod", "second", "ReadWriteOncePod")
    t.kube.delete("pod", "first")
    t.kube.running("second")


def parts(t):
    say("")
    say("Subdirectories, a group, and read-only")
    t.kube.apply(objects.claim("shared"))
    writer = objects.pod("writer", "shared", mount={"subPath": "team/a"})
    writer["spec"]["securityContext"] = {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 2000}
    reader = objects.pod("reader", "shared", read_only=True)
    whole = objects.pod("whole", "shared")
    t.kube.apply(writer)
    t.kube.running("writer")
    t.kube.execute("writer", "echo of-a >/data/file")
    check(t.kube.execute("writer", "stat -c '%u %g' /data/file") == "1000 2000\n", "files get the pod's group")
    t.kube.apply(reader, whole)
    t.kube.running("reader")
    t.kube.running("whole")
    check(t.kube.execute("whole", "cat /data/team/a/file") == "of-a\n", "the whole volume shows the subdirectory")
    check(t.kube.execute("reader", "cat /data/team/a/file") == "of-a\n", "so does the read-only pod")
    refused = t.kube.execute("reader", "touch /data/x 2>&1; echo status $?")
    check("Read-only file system" in refused, "which cannot write", refused)
    check(t.kube.execute("whole", "touch /data/x && echo written") == "written\n", "while others can")
