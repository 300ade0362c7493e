"""From ceph-csi and back, by the commands of docs/migrate.md, with volumes in use.

There is no image of ceph-csi here: a stand-in has its objects (names, labels, sockets, flags, and pods that want nodes of
their own) and runs our image. So this shows that the objects take each other's place, and not that the programs do.
"""

import os
import shutil

import objects
from document import Section
from kube import check, say, wait
from setting import COMPACT, HERE, PLUGIN, PROVISIONER

PAGE = "docs/migrate.md"
# Goes on counting where the pod before it has stopped, and syncs each line.
WRITER = """
trap exit TERM
n=$(tail -n 1 /data/log 2>/dev/null)
while n=$((n + 1)); do
  echo $n >>/data/log && sync /data/log || exit 1
  sleep 0.1
done
"""


def run(t):
    page = t.setting.first_page
    plugin = os.path.join(page.directory, "deploy/kubernetes/base/nodeplugin.yaml")
    shutil.copytree(os.path.join(HERE, "stand-in"), page.directory, dirs_exist_ok=True)
    shutil.copy(plugin, f"{plugin}.before")
    t.setting.install_snapshots()
    try:
        stand_in(t, page)
        before(t, page)
        there(t, page, plugin)
        back(t, page)
    finally:
        shutil.move(f"{plugin}.before", plugin)
        restore(t, page)


def stand_in(t, page):
    say("")
    say("A stand-in for ceph-csi 3.12, with volumes in use")
    t.system.run("delete", "-k", COMPACT)
    for selector in (PLUGIN, PROVISIONER):
        wait(f"no pod of {selector} is left", lambda: not t.system.list("pods", "-l", selector))
    page.run(Section(PAGE, "Back").within("`(kubectl create configmap [^`]+)`"), objects.SYSTEM)
    page.run("kubectl apply -f csidriver.yaml", objects.SYSTEM)
    page.run(Section(PAGE, "Back").blocks()[0][-1], objects.SYSTEM)
    alone(t)
    t.kube.apply(objects.claim("old"), objects.deployment("writer", 1, "old", script=WRITER))
    t.kube.bound("old")
    goes_on(t)
    t.kube.apply(objects.snapshot("moment", "old"))
    ready = lambda: (t.kube.get("volumesnapshot", "moment").get("status") or {}).get("readyToUse")
    wait("a snapshot is ready to use", ready)


def before(t, page):
    say("")
    say("Before")
    section = Section(PAGE, "Before")
    answer = page.run(section.within("`(kubectl get csidriver [^`]+)`"), objects.SYSTEM)
    check(answer == "false", "nothing is attached", answer)
    copies, users = section.blocks()
    for command in copies:
        page.run(command, objects.SYSTEM)
    (shown,) = [page.run(command, objects.SYSTEM) for command in users]
    check(shown == f"userID {t.setting.user}\nadminID {t.setting.user}\n", "the Secret has one user for both", shown)


def there(t, page, plugin):
    say("")
    say("There, where ceph-fuse mounts")
    section = Section(PAGE, "There")
    with open(plugin, encoding="utf-8") as file:
        text = file.read()
    strategy = section.within("`(updateStrategy: [^`]+)`")
    with open(plugin, "w", encoding="utf-8") as file:
        file.write(text.replace("\nspec:\n", f"\nspec:\n  {strategy}\n", 1))
    # It tells by its exit status that there are differences.
    shown = page.run(f"{section.within('`(kubectl diff [^`]+)`')} || test $? = 1", objects.SYSTEM)
    check("maxUnavailable" in shown, "the differences are shown")
    (delete,) = section.blocks()
    for command in delete:
        page.run(command, objects.SYSTEM)
    old = t.system.ready(PLUGIN)
    # The one of the two whose images are all here.
    shape = section.within("`kubectl apply -k deploy/kubernetes`, or `(deploy/kubernetes/compact)`")
    page.run(f"kubectl apply -k {shape}", objects.SYSTEM)
    t.system.ready(PROVISIONER, count=3)
    check(t.system.ready(PLUGIN) == old, "the node's pod of before goes on")
    goes_on(t)

    say("")
    say("Node by node")
    (commands,) = Section("docs/install.md", "Upgrading").blocks()
    for command in commands:
        page.run(command.replace("NODE", os.environ["E2E_NODE"]), objects.SYSTEM)
    t.system.ready(PROVISIONER, count=3)
    check(t.system.ready(PLUGIN) != old, "the node's pod is another one")

    say("")
    say("What to check")
    section = Section(PAGE, "What to check")
    t.system.run("rollout", "status", "deployment/csi-cephfsplugin-provisioner", "--timeout=300s")
    status = t.system.get("daemonset", "csi-cephfsplugin")["status"]
    updated, desired = status.get("updatedNumberScheduled"), status["desiredNumberScheduled"]
    check(updated == desired, "the DaemonSet is up to date", updated)
    t.setting.registered()
    (command,) = section.row("each node knows the driver")
    check(objects.DRIVER in page.run(command, objects.SYSTEM), "each node knows the driver")
    (command,) = section.row("the configuration is read")
    alarms = [line for line in page.run(command, objects.SYSTEM).splitlines() if line.startswith(("E", "W"))]
    check(not alarms, "no line begins with E or W", alarms)
    in_use(t, "2Gi", "there")


def back(t, page):
    say("")
    say("Back")
    pods = t.kube.ready("app=writer")
    for command in Section(PAGE, "Back").blocks()[0]:
        page.run(command, objects.SYSTEM)
    alone(t)
    goes_on(t)
    check(t.kube.ready("app=writer") == pods, "in the same pod")
    in_use(t, "3Gi", "back")


def alone(t):
    """The stand-in is there: one controller on the one node, and two that find none."""

    states = lambda: sorted(pod["status"].get("phase") for pod in t.system.list("pods", "-l", PROVISIONER))
    expected = ["Pending", "Pending", "Running"]
    wait("of three controllers one runs, and two find no node", lambda: states() == expected, instead=states)
    t.system.run("rollout", "status", "daemonset/csi-cephfsplugin", "--timeout=300s")
    t.system.ready(PLUGIN)
    t.setting.registered()


def in_use(t, size, name):
    """What to check of volumes and snapshots."""
    # Not the pod alone: another one would begin before it has ended.
    t.kube.run("scale", "deployment/writer", "--replicas=0")
    wait("no writer is left", lambda: not t.kube.list("pods", "-l", "app=writer"))
    t.kube.run("scale", "deployment/writer", "--replicas=1")
    goes_on(t)
    t.kube.run("patch", "pvc", "old", "-p", f'{{"spec":{{"resources":{{"requests":{{"storage":"{size}"}}}}}}}}')
    wait(f"the claim has {size}", lambda: t.kube.get("pvc", "old")["status"]["capacity"]["storage"] == size)
    restored = objects.claim(f"restored-{name}", size=size, source=("VolumeSnapshot", "moment"))
    t.kube.apply(objects.claim(name), restored, objects.pod(name, name, f"restored-{name}"))
    t.kube.bound(name, f"restored-{name}")
    t.kube.running(name)
    first = t.kube.execute(name, "echo x >/data0/file && head -n 1 /data1/log")
    check(first == "1\n", "a new volume can be written, and one of the old snapshot has its files", first)
    subvolume = t.subvolume(name)
    t.kube.delete("pod", name)
    t.kube.gone("pod", name)
    t.kube.delete("pvc", name)
    t.kube.gone("pvc", name)
    wait("the subvolume of the new one is gone with it", lambda: subvolume not in t.ceph.subvolumes())


def goes_on(t):
    t.kube.ready("app=writer")
    before = len(lines(t))
    wait("the writer writes", lambda: len(lines(t)) > before + 10, instead=lambda: lines(t)[-3:])
    found = lines(t)
    check(found == [str(n + 1) for n in range(len(found))], "and no line is missing", found[-3:])


def lines(t):
    return (t.kube.execute("deployment/writer", "cat /data/log", shown=False, tolerate=True) or "").split()


def restore(t, page):
    """The installation that all cases share."""
    say("")
    t.system.run("uncordon", os.environ["E2E_NODE"])
    t.system.run("delete", "deployment/csi-cephfsplugin-provisioner", "daemonset/csi-cephfsplugin", "--ignore-not-found")
    t.system.run("delete", "configmap", "ceph-csi-encryption-kms-config", "--ignore-not-found")
    page.run("kubectl apply -k deploy/kubernetes/my-cluster", objects.SYSTEM)
    t.system.ready(PLUGIN)
    t.system.ready(PROVISIONER, count=3)
    t.setting.registered()
