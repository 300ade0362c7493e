"""Where a case is played: the cluster with the driver installed, a namespace, and a Ceph to look into."""

import json
import os
import signal
import subprocess
import time

import objects
from ceph_view import Ceph
from first_page import FirstPage
from kube import PATIENCE, Failed, Kube, check, say, wait

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(HERE, "..", "..", ".cache", "e2e")
COMPACT = "deploy/kubernetes/compact"
CLASSIC = "dev/e2e.d/classic"
PLUGIN = "app=csi-cephfsplugin"
PROVISIONER = "app=csi-cephfsplugin-provisioner"
# In lines of the driver's log that are about nothing.
ROUTINE = ("Probe", "probe of", "GetCapabilities")


def text(variable):
    with open(os.environ[variable], encoding="utf-8") as file:
        return file.read().strip()


class Setting:
    """What all cases share."""

    def __init__(self):
        self.ceph = Ceph()
        self.system = Kube(objects.SYSTEM)
        self.user = os.environ["SPIRULA_TEST_USER"]
        self.cluster = os.environ["SPIRULA_TEST_CLUSTER_ID"]
        self.first_page = FirstPage()
        self.installed = False

    def run(self, name, case):
        """A case in a namespace of its own, after which Ceph is as it was before."""
        before = self.ceph.content()
        kube = Kube(f"e2e-{name}")
        if not self.installed and name != "story":
            self.install()
        kube.apply(objects.named("v1", "Namespace", kube.namespace))
        case(Case(self, kube))
        self.clear(kube)
        # What was there is of a case that failed, and may go meanwhile.
        more = lambda: sorted(set(self.ceph.content()) - set(before))
        wait("Ceph is as empty as before", lambda: not more(), instead=more)

    def clear(self, kube):
        """Deletes the namespace of a case with all that is in it."""
        say("")
        if kube.get("namespace", kube.namespace):
            kube.delete("namespace", kube.namespace)
            kube.gone("namespace", kube.namespace)
        # What a case that failed has left behind is another one's.
        claimed = lambda pv: pv["spec"].get("claimRef", {}).get("namespace") == kube.namespace
        left = lambda: [pv["metadata"]["name"] for pv in kube.list("pv") if claimed(pv)]
        wait("no volume of it is left in Kubernetes", lambda: not left(), instead=left)

    def install(self):
        """What an administrator does: the driver, its configuration, a Secret, a StorageClass."""
        self.first_page.install()
        self.system.ready(PLUGIN)
        self.system.ready(PROVISIONER, count=3)
        self.registered()
        self.installed = True

    def registered(self, node="node-1"):
        """Waits until the kubelet has taken the driver, and says so."""
        wait(
            f"{node} offers the driver",
            lambda: objects.DRIVER in json.dumps(self.system.get("csinode", node) or {}),
        )

    def install_snapshots(self):
        """What an administrator does once for snapshots: their definitions, the controller, a class."""
        kube = self.system
        if kube.get("volumesnapshotclass", objects.SNAPSHOT_CLASS) if self.snapshots_known() else None:
            return
        kube.run("apply", "--server-side", "-k", f"{CACHE}/snapshots-8.7.0/definitions")
        kube.run("apply", "-k", "dev/e2e.d/snapshot-controller")
        wait("snapshots are a kind of object", self.snapshots_known)
        kube.apply(objects.snapshot_class())

    def snapshots_known(self):
        return "volumesnapshotclasses" in self.system.run("api-resources", "-o", "name", shown=False)

    def explain(self, name):
        """After a failure: what there is, and what was said about it. The logs are kept by dev/e2e."""
        for command in (
            ["get", "pods,pvc,pv", "--all-namespaces", "-o", "wide"],
            ["get", "events", "-n", f"e2e-{name}", "--sort-by=.lastTimestamp"],
            ["get", "events", "--field-selector=type=Warning", "--sort-by=.lastTimestamp"],
            ["logs", "-l", PLUGIN, "-c", "csi-cephfsplugin", "--prefix", "--tail=300"],
            ["logs", "-l", PROVISIONER, "-c", "csi-cephfsplugin", "--prefix", "--tail=100"],
        ):
            print(f"\n--- kubectl {' '.join(command)}")
            said = self.system.run(*command, shown=False, tolerate=True, patience=60)
            lines = ["(no answer)"] if said is None else said.splitlines()
            if command[0] == "logs":
                lines = [line for line in lines if not any(word in line for word in ROUTINE)][-30:]
            print(*lines, sep="\n", flush=True)

    def tidy(self, name):
        """After a failure: nothing of the case shall disturb the next one."""
        print("\n--- what the case has made is deleted", flush=True)
        try:
            self.clear(Kube(f"e2e-{name}"))
        except Exception as error:  # has been told once
            say(f"some of it stays, and may disturb other cases: {error}")


class Case:
    """What one case has to play with."""

    def __init__(self, setting, kube):
        self.setting = setting
        self.kube = kube
        self.system = setting.system
        self.ceph = setting.ceph

    def volume(self, claim):
        """The PV of a bound claim."""
        return self.kube.get("pv", self.kube.get("pvc", claim)["spec"]["volumeName"])

    def subvolume(self, claim):
        """The name in Ceph of the volume of a bound claim."""
        return self.volume(claim)["spec"]["csi"]["volumeAttributes"]["subvolumeName"]

    def other(self, name):
        """A further namespace, which the case itself makes and deletes."""
        return Kube(f"{self.kube.namespace}-{name}")

    def cleanup(self, kind, name):
        """Of what no namespace takes along."""
        Kube(objects.SYSTEM).run("delete", kind, name, shown=False)

    def mounted(self, pod, claim):
        """Where the kubelet has the volume of a pod."""
        uid = self.kube.get("pod", pod)["metadata"]["uid"]
        volume = self.volume(claim)["metadata"]["name"]
        return f"/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~csi/{volume}/mount"

    def process(self, name):
        """The pid of a program of the cluster, by its name in run/."""
        with open(os.path.join(os.environ["E2E_DIR"], "run", f"{name}.pid"), encoding="utf-8") as file:
            return int(file.read())

    def stop_kubelet(self):
        say("$ kill the kubelet")
        pid = self.process("kubelet")
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + PATIENCE
        while os.path.exists(f"/proc/{pid}/exe"):
            if time.monotonic() > until:
                raise Failed("the kubelet does not stop")
            time.sleep(0.1)

    def start_kubelet(self):
        say("$ start the kubelet")
        subprocess.run([os.path.join(HERE, "cluster"), "kubelet"], check=True, stdin=subprocess.DEVNULL)
        health = ["get", "--raw", "/api/v1/nodes/node-1/proxy/healthz"]
        wait("the kubelet is back", lambda: self.kube.run(*health, shown=False, tolerate=True) == "ok")
