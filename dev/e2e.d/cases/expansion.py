"""A volume grows while pods use it, and the pods see it at once."""

import objects
from kube import check, say, wait


def run(t):
    t.kube.apply(objects.claim("growing"), objects.deployment("user", 2, "growing"))
    t.kube.bound("growing")
    pods = t.kube.ready("app=user", count=2)
    name = t.subvolume("growing")
    full = t.kube.execute(pods[0], "dd if=/dev/zero of=/data/big bs=1M count=8 2>&1 && sync && echo written")
    check("written" in full, "a pod writes")
    for size, gib in (("3Gi", 3), ("5Gi", 5)):
        say("")
        t.kube.run("patch", "pvc", "growing", "-p", f'{{"spec":{{"resources":{{"requests":{{"storage":"{size}"}}}}}}}}')
        wait(f"the claim has {size}", lambda: capacity(t) == size)
        check(t.ceph.subvolume(name)["bytes_quota"] == gib << 30, f"the quota in Ceph is {gib} GiB")
        for pod in pods:
            wait(f"{pod} sees {gib} GiB", lambda: shown(t, pod) == gib << 20)
        check("FileSystemResizePending" not in str(t.kube.get("pvc", "growing")["status"]), "no pod had to be restarted")
    say("")
    t.kube.run(
        "patch", "pvc", "growing", "-p", '{"spec":{"resources":{"requests":{"storage":"1Gi"}}}}', tolerate=True
    )
    check(t.ceph.subvolume(name)["bytes_quota"] == 5 << 30, "it does not shrink")


def capacity(t):
    return t.kube.get("pvc", "growing")["status"]["capacity"]["storage"]


def shown(t, pod):
    return int(t.kube.execute(pod, "df -k /data | tail -n 1 | awk '{print $2}'", shown=False))
