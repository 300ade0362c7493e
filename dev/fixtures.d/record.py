"""Asks a running Ceph (CEPH_CONF) everything that the driver asks, and keeps the answers.

record.py FIXTURES MOUNT: a directory for each version in FIXTURES; MOUNT is the root of the file system.

An answer is one file. Refusals are together in refusals.json, with errno and text.
"""

import json
import os
import sys
import time

import rados

FIXTURES, MOUNT = sys.argv[1:]
FS, GROUP = os.environ["SPIRULA_TEST_FS"], os.environ["SPIRULA_TEST_GROUP"]
VOLUME = "csi-vol-5f1c7e2a-4d0b-4a55-9f3e-0c1d2e3f4a5b"
UNLIMITED = "csi-vol-00000000-0000-4000-8000-000000000001"
RETAINED = "csi-vol-00000000-0000-4000-8000-000000000002"
SNAPSHOT = "csi-snap-1d2c3b4a-5f6e-4788-99aa-bbccddeeff00"
CLONE = "csi-vol-00000000-0000-4000-8000-00000000010%d"

cluster = rados.Rados(conffile=os.environ["CEPH_CONF"], name="client.admin")
cluster.connect(timeout=30)
directory = None
refusals = {}


def ask(send, prefix, **arguments):
    command = json.dumps(dict(prefix=prefix, format="json", **arguments))
    return send(command, b"", timeout=60)


def mon(prefix, **arguments):
    code, answer, status = ask(cluster.mon_command, prefix, **arguments)
    if code:
        sys.exit(f"{prefix}: {code} {status}")
    return answer


def mgr(prefix, **arguments):
    code, answer, status = ask(cluster.mgr_command, prefix, vol_name=FS, **arguments)
    if code:
        sys.exit(f"{prefix} {arguments}: {code} {status}")
    return answer


def of(name, **more):
    return dict(sub_name=name, group_name=GROUP, **more)


def keep(file, answer):
    with open(os.path.join(directory, file), "wb") as out:
        out.write(answer)


def refused(name, prefix, **arguments):
    """The errno is positive, as the driver's errors have it."""
    code, _, status = ask(cluster.mgr_command, prefix, vol_name=FS, **arguments)
    if not code:
        sys.exit(f"{name}: {prefix} was not refused")
    refusals[name] = dict(command=prefix, errno=-code, text=status)


def until(state, wanted, patience=60):
    """Asks until the answer is as wanted, which it may be for a moment only."""
    end = time.monotonic() + patience
    while True:
        answer = state()
        if wanted(answer):
            return answer
        if time.monotonic() > end:
            sys.exit(f"still {answer}")
        time.sleep(0.02)


def subvolumes():
    mgr("fs subvolume create", **of(VOLUME, size=1 << 30))
    mgr("fs subvolume metadata set", **of(VOLUME, key_name="csi.storage.k8s.io/pvc/name", value="data-0"))
    mgr("fs subvolume metadata set", **of(VOLUME, key_name="csi.ceph.com/cluster/name", value="west"))
    keep("subvolume_info.json", mgr("fs subvolume info", **of(VOLUME)))
    keep("subvolume_getpath.txt", mgr("fs subvolume getpath", **of(VOLUME)))
    keep("subvolume_metadata_ls.json", mgr("fs subvolume metadata ls", **of(VOLUME)))
    keep("subvolume_ls.json", mgr("fs subvolume ls", group_name=GROUP))
    mgr("fs subvolume create", **of(UNLIMITED))
    keep("subvolume_info_unlimited.json", mgr("fs subvolume info", **of(UNLIMITED)))
    mgr("fs subvolume create", **of(RETAINED))
    mgr("fs subvolume snapshot create", **of(RETAINED, snap_name=SNAPSHOT))
    refused("rm_with_snapshots", "fs subvolume rm", **of(RETAINED))
    mgr("fs subvolume rm", **of(RETAINED, retain_snapshots=True))
    keep("subvolume_info_retained.json", mgr("fs subvolume info", **of(RETAINED)))
    refused("subvolume_absent", "fs subvolume info", **of("absent"))
    refused("group_absent", "fs subvolume info", sub_name="absent", group_name="absent")


def snapshots():
    at = of(VOLUME, snap_name=SNAPSHOT)
    data = MOUNT + mgr("fs subvolume getpath", **of(VOLUME)).decode().rstrip()
    for number in range(64):
        with open(f"{data}/{number}", "wb") as file:
            file.write(os.urandom(1 << 20))
    mgr("fs subvolume snapshot create", **at)
    mgr("fs subvolume snapshot metadata set", **at, key_name="csi.storage.k8s.io/volumesnapshot/name", value="nightly")
    keep("snapshot_info.json", mgr("fs subvolume snapshot info", **at))
    keep("snapshot_ls.json", mgr("fs subvolume snapshot ls", **of(VOLUME)))
    keep("snapshot_metadata_ls.json", mgr("fs subvolume snapshot metadata ls", **at))
    refused("snapshot_absent", "fs subvolume snapshot info", **of(VOLUME, snap_name="absent"))


def clones():
    at = of(VOLUME, snap_name=SNAPSHOT)
    status = lambda name: mgr("fs clone status", clone_name=name, group_name=GROUP)
    clone_becomes = lambda name, state: until(lambda: status(name), lambda answer: state_of(answer) == state)
    state_of = lambda answer: json.loads(answer)["status"]["state"]
    start = lambda name, **at: mgr("fs subvolume snapshot clone", **at, target_sub_name=name, target_group_name=GROUP)
    one, two, broken = (CLONE % number for number in range(3))
    start(one, **at)
    keep("snapshot_info_pending_clones.json", mgr("fs subvolume snapshot info", **at))
    refused("snapshot_rm_with_clones", "fs subvolume snapshot rm", **at)
    clone_becomes(one, "in-progress")
    refused("info_of_running_clone", "fs subvolume info", **of(one))
    refused("rm_of_running_clone", "fs subvolume rm", **of(one))
    # The last one before the end, which has the most progress to tell.
    while state_of(answer := status(one)) == "in-progress":
        keep("clone_status_in_progress.json", answer)
    keep("clone_status_complete.json", clone_becomes(one, "complete"))
    refused("clone_status_of_no_clone", "fs clone status", clone_name=VOLUME, group_name=GROUP)
    refused("clone_cancel_of_complete", "fs clone cancel", clone_name=one, group_name=GROUP)

    # With a delay the states before the first copied byte last long enough to be met.
    mon("config set", who="mgr", name="mgr/volumes/snapshot_clone_delay", value="5")
    time.sleep(1)
    start(two, **at)
    keep("clone_status_pending.json", clone_becomes(two, "pending"))
    mgr("fs clone cancel", clone_name=two, group_name=GROUP)
    keep("clone_status_canceled.json", clone_becomes(two, "canceled"))

    # A snapshot that vanishes behind the manager's back makes its clone fail.
    doomed = "csi-snap-doomed"
    mgr("fs subvolume snapshot create", **of(VOLUME, snap_name=doomed))
    start(broken, **of(VOLUME, snap_name=doomed))
    os.rmdir(f"{MOUNT}/volumes/{GROUP}/{VOLUME}/.snap/{doomed}")
    keep("clone_status_failed.json", clone_becomes(broken, "failed"))


def quiesce():
    members = [f"{GROUP}/{VOLUME}", f"{GROUP}/{UNLIMITED}"]
    if int(VERSION.split(".")[0]) < 19:
        refused("quiesce", "fs quiesce", members=members, set_id="nightly")
        return
    ask_set = lambda **more: mgr("fs quiesce", set_id="nightly", **more)
    state_of = lambda answer: json.loads(answer)["sets"]["nightly"]["state"]["name"]
    set_becomes = lambda state: until(ask_set, lambda answer: state_of(answer) == state)
    again = dict(reset=True, members=members, timeout=30.0, expiration=3.0)
    keep("quiesce_quiescing.json", ask_set(**again))
    keep("quiesce_quiesced.json", set_becomes("QUIESCED"))
    refused("quiesce_other_version", "fs quiesce", set_id="nightly", release=True, if_version=1)
    keep("quiesce_released.json", ask_set(release=True, **{"await": True}))
    refused("quiesce_released", "fs quiesce", set_id="nightly", members=members)
    ask_set(**again)
    set_becomes("QUIESCED")
    keep("quiesce_expired.json", set_becomes("EXPIRED"))
    refused("quiesce_release_of_expired", "fs quiesce", set_id="nightly", release=True)
    ask_set(**again)
    keep("quiesce_canceled.json", ask_set(cancel=True))
    keep("quiesce_timed_out.json", ask_set(**dict(again, timeout=0.0)))
    keep("quiesce_unknown_set.json", mgr("fs quiesce", set_id="absent"))
    refused("quiesce_release_of_unknown", "fs quiesce", set_id="absent", release=True)
    refused("quiesce_unknown_member", "fs quiesce", set_id="other", members=[f"{GROUP}/absent"])
    refused("quiesce_in_progress", "fs quiesce", set_id="nightly", await_for=0.0, **again)


def cluster_wide():
    for command in ("fs dump", "fs ls", "df", "health"):
        keep(command.replace(" ", "_") + ".json", mon(command))
    keep("health_detail.json", mon("health", detail="detail"))


VERSION = json.loads(mon("version"))["version"].split()[2]
directory = os.path.join(FIXTURES, VERSION.split("-")[0].split("+")[0])
os.makedirs(directory, exist_ok=True)
cluster_wide()
for record in (subvolumes, snapshots, clones, quiesce):
    record()
keep("refusals.json", json.dumps(refusals, indent=4).encode() + b"\n")
cluster.shutdown()
print("answers of", VERSION, "in", directory)
