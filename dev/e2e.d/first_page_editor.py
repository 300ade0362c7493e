#!/usr/bin/python3
"""The administrator's $EDITOR: puts this cluster's Ceph into a copy of deploy/kubernetes/site, file by file."""

import json
import os
import sys


def config(text):
    (cluster,) = json.loads(text)
    cluster["clusterID"] = os.environ["SPIRULA_TEST_CLUSTER_ID"]
    cluster["monitors"] = [os.environ["SPIRULA_TEST_MONITORS"]]
    cluster["cephFS"]["subvolumeGroup"] = os.environ["SPIRULA_TEST_GROUP"]
    # Whose group nobody has made: a case is about that.
    other = {**cluster, "clusterID": "without-group", "cephFS": {**cluster["cephFS"], "subvolumeGroup": "missing"}}
    return json.dumps([cluster, other], indent=2)


def secret(text):
    with open(os.environ["SPIRULA_TEST_KEYFILE"], encoding="utf-8") as file:
        key = file.read().strip()
    text = replaced(text, "=kubernetes", f"={os.environ['SPIRULA_TEST_USER']}")
    return replaced(text, "put-the-key-here", key)


def storage_class(text):
    text = replaced(text, "clusterID: my-ceph", f"clusterID: {os.environ['SPIRULA_TEST_CLUSTER_ID']}")
    text = replaced(text, "fsName: cephfs", f"fsName: {os.environ['SPIRULA_TEST_FS']}")
    # What the kernel's client does has a case of its own, with a kernel that has one.
    return replaced(text, "mounter: kernel", "mounter: fuse")


def kustomization(text):
    # The other shape wants an image that is made by nobody here.
    text = replaced(text, "- ../base # or ../compact", "- ../compact")
    # The image in a registry, which is the name that it has here.
    head, images = text.split("# images:\n")
    images = "images:\n" + "".join(line.removeprefix("# ") for line in images.splitlines(keepends=True))
    return head + replaced(images, "registry.example.com/spirula", "docker.io/spirula/full")


def replaced(text, old, new):
    if old not in text:
        raise SystemExit(f"there is no {old!r} to be replaced")
    return text.replace(old, new)


EDITS = {
    "config.json": config,
    "secret.env": secret,
    "storageclass.yaml": storage_class,
    "kustomization.yaml": kustomization,
}

for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        edited = EDITS[os.path.basename(path)](file.read())
    with open(path, "w", encoding="utf-8") as file:
        file.write(edited)
