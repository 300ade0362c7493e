"""Fills a running cluster and waits until it serves. One step per call: osd, filesystem or health.

One librados connection instead of many `ceph` commands, which take 0.25 s each.
"""

import argparse
import errno
import json
import sys
import time

import rados

PATIENCE = 120  # seconds for a whole step

# Settings that keep a test cluster quiet: no pool and no polling of its own.
QUIET = {
    "mgr/devicehealth/enable_monitoring": "false",
    "mgr/telemetry/nag": "false",
    "mgr/progress/enabled": "false",
    "mgr/balancer/active": "false",
}


class Cluster:
    def __init__(self, conf):
        self.deadline = time.monotonic() + PATIENCE
        while True:
            self.rados = rados.Rados(conffile=conf, name="client.admin")
            try:
                self.rados.connect(timeout=10)
                return
            except rados.Error as e:
                self.rados.shutdown()
                self.pause(f"the mon does not answer: {e}")

    def pause(self, waiting_for):
        if time.monotonic() > self.deadline:
            sys.exit(f"dev/ceph: gave up after {PATIENCE} s: {waiting_for}")
        time.sleep(0.05)

    def mon(self, prefix, tolerated=(), **args):
        command = json.dumps(dict(prefix=prefix, format="json", **args))
        code, out, status = self.rados.mon_command(command, b"", timeout=60)
        if code and -code not in tolerated:
            sys.exit(f"dev/ceph: {prefix} {args}: {code} {status}")
        return json.loads(out) if out else None

    def mgr(self, prefix, **args):
        """Repeated until it works: the modules of the mgr and the mds come up one after another."""
        command = json.dumps(dict(prefix=prefix, format="json", **args))
        while True:
            code, _, status = self.rados.mgr_command(command, b"", timeout=60)
            if code == 0:
                return
            self.pause(f"{prefix}: {code} {status}")


def osd(cluster, args):
    for name, value in QUIET.items():
        cluster.mon(
            "config set", tolerated=(errno.ENOENT, errno.EINVAL), who="mgr", name=name, value=value, force=True
        )
    cluster.mon("osd new", tolerated=(errno.EEXIST,), uuid=args.osd_uuid, id=0)


def filesystem(cluster, args):
    pools = {pool["poolname"] for pool in cluster.mon("osd lspools")}
    for pool in (args.metadata_pool, args.data_pool):
        if pool not in pools:
            cluster.mon("osd pool create", pool=pool, pg_num=8, pool_type="replicated")
    if args.fs not in {fs["name"] for fs in cluster.mon("fs ls")}:
        cluster.mon("fs new", fs_name=args.fs, metadata=args.metadata_pool, data=args.data_pool)
    # How long the files of a client that died stay locked; the default is a minute.
    cluster.mon("fs set", fs_name=args.fs, var="session_timeout", val="30")

    while not osd_is_up(cluster.mon("osd stat")):
        cluster.pause("the osd is not up")
    while "up:active" not in mds_states(cluster, args.fs):
        cluster.pause("no mds is active")
    while not cluster.mon("mgr dump")["available"]:
        cluster.pause("the mgr is not available")
    cluster.mgr("fs subvolumegroup create", vol_name=args.fs, group_name=args.group)
    cluster.mgr("fs subvolume ls", vol_name=args.fs, group_name=args.group)


def osd_is_up(stat):
    # Releases differ in where they put the numbers.
    return stat.get("osdmap", stat)["num_up_osds"] > 0


def mds_states(cluster, fs):
    for found in cluster.mon("fs dump")["filesystems"]:
        if found["mdsmap"]["fs_name"] == fs:
            return [mds["state"] for mds in found["mdsmap"]["info"].values()]
    return []


def health(cluster, _args):
    enough = time.monotonic() + 15
    while True:
        health = cluster.mon("health")
        # Release 20 complains of the only keys that older clients can read.
        for code in health["checks"]:
            if code.startswith("AUTH_INSECURE_") and not health["checks"][code]["muted"]:
                cluster.mon("health mute", code=code, sticky=True)
        if health["status"] == "HEALTH_OK" or time.monotonic() > enough:
            break
        cluster.pause(health["status"])
    left = (check for check in health["checks"].values() if not check["muted"])
    print(health["status"], *(check["summary"]["message"] for check in left))


def main():
    steps = {step.__name__: step for step in (osd, filesystem, health)}
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=steps)
    for name in ("conf", "osd-uuid", "fs", "group", "metadata-pool", "data-pool"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()
    cluster = Cluster(args.conf)
    steps[args.step](cluster, args)
    cluster.rados.shutdown()


main()
