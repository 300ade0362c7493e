"""What is in Ceph, asked by an administrator of it."""

import json
import os

import rados

JOURNAL = "csi"  # the RADOS namespace in which the driver keeps its records


class Ceph:
    def __init__(self):
        self.fs = os.environ["SPIRULA_TEST_FS"]
        self.group = os.environ["SPIRULA_TEST_GROUP"]
        self.pool = os.environ["SPIRULA_TEST_METADATA_POOL"]
        self.open()

    def open(self):
        self.rados = rados.Rados(conffile=os.environ["CEPH_CONF"], name="client.admin")
        self.rados.connect(timeout=30)

    def close(self):
        """Before Ceph is stopped: a command that waits for it would not end."""
        self.rados.shutdown()

    def command(self, prefix, **arguments):
        """A command to the manager, with the file system as its volume, and its answer."""
        command = json.dumps({"prefix": prefix, "format": "json", "vol_name": self.fs, **arguments})
        code, out, status = self.rados.mgr_command(command, b"", timeout=120)
        if code:
            raise OSError(-code, f"{prefix} {arguments}: {status}")
        return json.loads(out) if out else None

    def setting(self, name, value):
        """Sets an option of the manager."""
        command = json.dumps({"prefix": "config set", "who": "mgr", "name": name, "value": value})
        code, _, status = self.rados.mon_command(command, b"", timeout=120)
        if code:
            raise OSError(-code, f"{name} = {value}: {status}")

    def subvolumes(self):
        return sorted(s["name"] for s in self.command("fs subvolume ls", group_name=self.group))

    def subvolume(self, name):
        return self.command("fs subvolume info", sub_name=name, group_name=self.group)

    def snapshots(self, name):
        return [s["name"] for s in self.command("fs subvolume snapshot ls", sub_name=name, group_name=self.group)]

    def journal(self):
        """All keys of all objects of the journal; the value is not of interest here."""
        found = []
        with self.rados.open_ioctx(self.pool) as pool:
            pool.set_namespace(JOURNAL)
            for item in pool.list_objects():
                with rados.ReadOpCtx() as read:
                    keys, _ = pool.get_omap_vals(read, "", "", 10000)
                    pool.operate_read_op(read, item.key)
                    found += [f"{item.key}: {key}" for key, _ in keys]
                if item.key.startswith(("csi.volume.", "csi.snap.", "csi.volumegroup.", "rt-backingsnapshot-")):
                    found.append(item.key)
        return sorted(found)

    def content(self):
        """All that a driver may leave behind."""
        return [f"subvolume {name}" for name in self.subvolumes()] + self.journal()
