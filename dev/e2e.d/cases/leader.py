"""The provisioner that leads is killed while 50 claims are made: all are bound, and nothing is left over."""

import objects
from kube import check, say, wait
from setting import PROVISIONER

CLAIMS = [f"claim-{i:02}" for i in range(50)]


def run(t):
    say(f"$ kubectl apply -f - # {len(CLAIMS)} claims")
    t.kube.quietly(*map(objects.claim, CLAIMS))
    wait("some are bound, but not all", lambda: bound(t) >= 5)
    leader = holder(t)
    t.system.delete("pod", leader, "--force", "--grace-period=0")
    say(f"      {bound(t)} were bound by then")
    t.kube.bound(*CLAIMS, patience=600)
    check(holder(t) != leader, "another one leads")
    volumes = t.kube.list("pv")
    check(len(volumes) == len(CLAIMS), "there is one volume for each claim", len(volumes))
    names = sorted(v["spec"]["csi"]["volumeAttributes"]["subvolumeName"] for v in volumes)
    check(t.ceph.subvolumes() == names, "Ceph has those subvolumes and no other")
    t.system.ready(PROVISIONER, count=3)


def bound(t):
    return sum(claim.get("status", {}).get("phase") == "Bound" for claim in t.kube.list("pvc"))


def holder(t):
    """The pod that holds csi-provisioner's lease: the identity begins with its name, or ends with it."""
    lease = t.system.get("lease", objects.DRIVER.replace(".", "-"))
    identity = lease["spec"]["holderIdentity"]
    (pod,) = [p["metadata"]["name"] for p in t.system.list("pods", "-l", PROVISIONER) if p["metadata"]["name"] in identity]
    return pod
