"""What a user or administrator did wrong is in the events, with the cure; and the cure works."""

import objects
from kube import say, wait
from setting import PLUGIN, text


def run(t):
    say("The key in the provisioner's Secret is wrong")
    user = t.setting.user
    wrong = "AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA=="
    t.kube.apply(
        objects.secret("wrong-key", user, wrong),
        objects.storage_class("wrong-key", credentials="wrong-key"),
        objects.claim("wrong-key", storage_class_name="wrong-key"),
    )
    t.kube.event("PersistentVolumeClaim", "wrong-key", "monitors refuse", f"client.{user}")
    t.kube.apply(objects.secret("wrong-key", user, text("SPIRULA_TEST_KEYFILE")))
    t.kube.bound("wrong-key")

    say("")
    say("The StorageClass names a cluster that is not in config.json")
    t.kube.apply(
        objects.storage_class("wrong-cluster", clusterID="no-such-cluster"),
        objects.claim("wrong-cluster", storage_class_name="wrong-cluster"),
    )
    t.kube.event("PersistentVolumeClaim", "wrong-cluster", "no-such-cluster", "is not in config.json", t.setting.cluster)
    t.kube.delete("pvc", "wrong-cluster")
    t.kube.gone("pvc", "wrong-cluster")

    say("")
    say("The subvolume group does not exist")
    t.kube.apply(
        objects.storage_class("no-group", clusterID="without-group"),
        objects.claim("no-group", storage_class_name="no-group"),
    )
    t.kube.event("PersistentVolumeClaim", "no-group", "subvolume group `missing`", "does not exist")
    t.kube.delete("pvc", "no-group")
    t.kube.gone("pvc", "no-group")

    say("")
    say("The file system does not exist")
    t.kube.apply(
        objects.storage_class("no-fs", fsName="nothing"), objects.claim("no-fs", storage_class_name="no-fs")
    )
    t.kube.event("PersistentVolumeClaim", "no-fs", "`nothing`")
    t.kube.delete("pvc", "no-fs")
    t.kube.gone("pvc", "no-fs")

    say("")
    say("The key in the node's Secret is wrong")
    t.kube.apply(
        objects.secret("wrong-node-key", user, wrong),
        objects.storage_class("wrong-node-key", **{"csi.storage.k8s.io/node-stage-secret-name": "wrong-node-key"}),
        objects.claim("node-key", storage_class_name="wrong-node-key"),
        objects.pod("waiting", "node-key"),
    )
    t.kube.bound("node-key")
    t.kube.event("Pod", "waiting", "accept no session of user", user)
    t.kube.apply(objects.secret("wrong-node-key", user, text("SPIRULA_TEST_KEYFILE")))
    t.kube.running("waiting")

    say("")
    say("The plugin does not run on the pod's node")
    place(t, '{"none": "such"}')
    try:
        wait("there is no pod of the plugin", lambda: not t.system.list("pods", "-l", PLUGIN))
        t.kube.apply(objects.claim("no-plugin"), objects.pod("no-plugin", "no-plugin"))
        t.kube.bound("no-plugin")
        missing = f"driver name {objects.DRIVER} not found in the list of registered CSI drivers"
        t.kube.event("Pod", "no-plugin", missing)
    finally:
        place(t, "null")
    t.system.ready(PLUGIN)
    t.kube.running("no-plugin")

    # Deleting a volume needs its Secret.
    t.setting.clear(t.kube)
    for name in ("wrong-key", "wrong-cluster", "no-group", "no-fs", "wrong-node-key"):
        t.cleanup("storageclass", name)
    t.cleanup("secret", "wrong-key")
    t.cleanup("secret", "wrong-node-key")


def place(t, selector):
    """On which nodes the plugin runs, by their labels."""
    patch = f'{{"spec": {{"template": {{"spec": {{"nodeSelector": {selector}}}}}}}}}'
    t.system.run("patch", "daemonset", "csi-cephfsplugin", "-p", patch)
