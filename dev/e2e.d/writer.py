"""A pod that writes and syncs all the time, whatever happens, and what became of it."""

import objects
from kube import check, wait

# Appends the count each 0.1 s and syncs it, and stops at the first error.
SCRIPT = """
n=0
while [ ! -e /data/stop ]; do
  n=$((n + 1))
  echo $n >>/data/log || break
  sync /data/log || break
  sleep 0.1
done
echo $n >/data/written
trap exit TERM; sleep infinity & wait
"""


class Writer:
    """The pod `writer` of a claim, seen by `reader`, a pod that has the claim too and is running."""

    def __init__(self, kube, claim, reader, node=None):
        self.kube = kube
        self.reader = reader
        kube.apply(objects.pod("writer", claim, script=SCRIPT, node=node))
        kube.running("writer")
        self.goes_on()

    def lines(self):
        """How many lines there are."""
        return int(self.kube.execute(self.reader, "cat /data/log 2>/dev/null | wc -l", shown=False))

    def goes_on(self):
        before = self.lines()
        said = lambda: (self.kube.run("logs", "writer", "--tail=3", shown=False, tolerate=True) or "").strip()
        wait("the writer writes", lambda: self.lines() > before + 20, instead=said)

    def end(self):
        """Lets it come to its end, and checks that every line is there."""
        self.kube.execute(self.reader, "touch /data/stop")
        read = lambda: self.kube.execute(self.reader, "cat /data/written", shown=False, tolerate=True)
        total = int(wait("the writer has come to its end", read))
        lines = self.kube.execute(self.reader, "cat /data/log", shown=False).split()
        expected = [str(n + 1) for n in range(total)]
        check(lines == expected, f"0 errors, 0 lost: all {total} synced lines are there", lines[-3:])
