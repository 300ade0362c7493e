"""The objects that users and administrators write, as they would write them."""

import os

DRIVER = "cephfs.csi.ceph.com"
CLASS = "csi-cephfs-sc"
SNAPSHOT_CLASS = "csi-cephfsplugin-snapclass"
GROUP_SNAPSHOT_CLASS = "csi-cephfsplugin-groupsnapclass"
SECRET = "csi-cephfs-secret"
SYSTEM = "default"  # the namespace of the driver and its Secret


def named(api, kind, name, namespace=None, **fields):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}


def secret(name, user, key):
    fields = {"userID": user, "userKey": key, "adminID": user, "adminKey": key}
    return named("v1", "Secret", name, SYSTEM, stringData={**fields, "encryptionPassphrase": "e2e"})


def storage_class(name=CLASS, credentials=SECRET, **parameters):
    merged = {
        "clusterID": os.environ["SPIRULA_TEST_CLUSTER_ID"],
        "fsName": os.environ["SPIRULA_TEST_FS"],
        "mounter": "fuse",
    }
    for purpose in ("provisioner", "controller-expand", "node-stage"):
        merged[f"csi.storage.k8s.io/{purpose}-secret-name"] = credentials
        merged[f"csi.storage.k8s.io/{purpose}-secret-namespace"] = SYSTEM
    return named(
        "storage.k8s.io/v1",
        "StorageClass",
        name,
        provisioner=DRIVER,
        parameters={**merged, **parameters},
        reclaimPolicy="Delete",
        allowVolumeExpansion=True,
    )


def claim(name, size="1Gi", modes=("ReadWriteMany",), storage_class_name=CLASS, source=None, **more):
    spec = {
        "accessModes": list(modes),
        "resources": {"requests": {"storage": size}},
        "storageClassName": storage_class_name,
        **more,
    }
    if source:
        kind, of = source
        group = {"apiGroup": "snapshot.storage.k8s.io"} if kind == "VolumeSnapshot" else {}
        spec["dataSource"] = {"kind": kind, "name": of, **group}
    return named("v1", "PersistentVolumeClaim", name, spec=spec)


def pod_spec(*claims, script="trap exit TERM; sleep infinity & wait", read_only=False, mount=None, node=None):
    """One container of busybox with each claim at /data, or /data0, /data1...; on `node`, or where there is room."""
    volumes, mounts = [], []
    for i, of in enumerate(claims):
        name = f"data{i}" if len(claims) > 1 else "data"
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": of, "readOnly": read_only}})
        mounts.append({"name": name, "mountPath": f"/{name}", **(mount or {})})
    container = {
        "name": "main",
        "image": "docker.io/library/busybox:1",
        "command": ["sh", "-c", script],
        "volumeMounts": mounts,
    }
    spec = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 5}
    return {**spec, "nodeName": node} if node else spec


def pod(name, *claims, **options):
    return named("v1", "Pod", name, spec=pod_spec(*claims, **options))


def deployment(name, replicas, *claims, **options):
    labels = {"app": name}
    return named(
        "apps/v1",
        "Deployment",
        name,
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(*claims, **options)},
        },
    )


def snapshot_class(name=SNAPSHOT_CLASS):
    return named(
        "snapshot.storage.k8s.io/v1",
        "VolumeSnapshotClass",
        name,
        driver=DRIVER,
        deletionPolicy="Delete",
        parameters={
            "clusterID": os.environ["SPIRULA_TEST_CLUSTER_ID"],
            "csi.storage.k8s.io/snapshotter-secret-name": SECRET,
            "csi.storage.k8s.io/snapshotter-secret-namespace": SYSTEM,
        },
    )


def snapshot(name, of):
    return named(
        "snapshot.storage.k8s.io/v1",
        "VolumeSnapshot",
        name,
        spec={"volumeSnapshotClassName": SNAPSHOT_CLASS, "source": {"persistentVolumeClaimName": of}},
    )


def group_snapshot_class(name=GROUP_SNAPSHOT_CLASS):
    return named(
        "groupsnapshot.storage.k8s.io/v1",
        "VolumeGroupSnapshotClass",
        name,
        driver=DRIVER,
        deletionPolicy="Delete",
        parameters={
            "clusterID": os.environ["SPIRULA_TEST_CLUSTER_ID"],
            "fsName": os.environ["SPIRULA_TEST_FS"],
            "csi.storage.k8s.io/group-snapshotter-secret-name": SECRET,
            "csi.storage.k8s.io/group-snapshotter-secret-namespace": SYSTEM,
        },
    )


def group_snapshot(name, labels):
    """Of all claims with these labels."""
    return named(
        "groupsnapshot.storage.k8s.io/v1",
        "VolumeGroupSnapshot",
        name,
        spec={
            "volumeGroupSnapshotClassName": GROUP_SNAPSHOT_CLASS,
            "source": {"selector": {"matchLabels": labels}},
        },
    )
