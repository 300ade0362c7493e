"""A second node, whose kernel has the CephFS client: the virtual machine of dev/vm, with a kubelet in it."""

import os
import subprocess

import objects
from kube import Kube, say, wait

HERE = os.path.dirname(os.path.abspath(__file__))
NAME = "node-2"
MEMORY = 3072  # MiB; containers and their files are in it
PATIENCE = 900  # seconds: the machine is emulated
PORT = 10250  # the kubelet's


class GuestNode:
    """Is there within `with`."""

    def __init__(self):
        self.kube = Kube(objects.SYSTEM)
        self.share = os.path.join(os.environ["E2E_DIR"], "log", NAME)
        self.log = os.path.join(self.share, "console")

    def __enter__(self):
        say(f"$ start {NAME}, a virtual machine with a kernel of its own")
        os.mkdir(self.share)
        options = ["--memory", str(MEMORY), "--limit", "3600", "--share", self.share]
        options += ["--forward", f"{os.environ['E2E_GUEST']}:{PORT}"]
        command = [os.path.join(HERE, "..", "vm"), *options, "--", os.path.join(HERE, "cluster.d", "guest")]
        with open(self.log, "wb") as log:
            self.machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait(f"{NAME} is ready", self.is_ready, PATIENCE)
            wait(f"{NAME} has the images", self.has_images, PATIENCE)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def is_ready(self):
        check_alive(self.machine)
        node = self.kube.get("node", NAME) or {}
        conditions = {c["type"]: c["status"] for c in node.get("status", {}).get("conditions", [])}
        return conditions.get("Ready") == "True"

    def has_images(self):
        check_alive(self.machine)
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "the node is up" in log.read()

    def stop(self):
        """Turns it off, and has Kubernetes forget it."""
        say(f"$ turn {NAME} off")
        with open(os.path.join(self.share, "stop"), "w", encoding="utf-8"):
            pass
        try:
            self.machine.wait(120)
        except subprocess.TimeoutExpired:
            self.machine.terminate()
            self.machine.wait(30)
        self.kube.run("delete", "node", NAME, "--ignore-not-found", shown=False)
        pods = self.kube.list("pods", "--field-selector", f"spec.nodeName={NAME}")
        for pod in pods:
            self.kube.run("delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0", shown=False, tolerate=True)


def check_alive(machine):
    if machine.poll() is not None:
        raise RuntimeError(f"the virtual machine of {NAME} has ended, see its log")
