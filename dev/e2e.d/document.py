"""The commands in a page of the documentation, for a case that does what it says."""

import os
import re
import textwrap

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


class Section:
    """What follows a heading, up to the next one."""

    def __init__(self, page, heading):
        with open(os.path.join(ROOT, page), encoding="utf-8") as file:
            self.text = file.read().split(f"\n## {heading}\n")[1].split("\n## ")[0]

    def blocks(self):
        """The commands of each block of them."""
        found = re.findall(r"^( *)```sh\n(.*?)^\1```", self.text, re.MULTILINE | re.DOTALL)
        return [re.split(r"(?<!\\)\n", textwrap.dedent(block).strip()) for _, block in found]

    def within(self, pattern):
        """What is written like this in a line of text."""
        (found,) = re.findall(pattern, self.text)
        return found

    def row(self, first):
        """The commands in the row of a table that begins so."""
        (line,) = [line for line in self.text.splitlines() if line.startswith(f"| {first} |")]
        return re.findall(r"`(kubectl [^`]+)`", line)
