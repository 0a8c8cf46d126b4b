"""The playbook: a deterministic stand-in for a model, for machines without a key and for tests.

It follows written rules, calls the same tools through the same loop, and names itself `playbook/<name>`.
The format is explained in docs/playbook.md.
"""

from quarterdeck.llm.playbook.compiler import Playbook, load_playbook
from quarterdeck.llm.playbook.inlining import inline_playbooks
from quarterdeck.llm.playbook.provider import PlaybookProvider

__all__ = ["Playbook", "PlaybookProvider", "inline_playbooks", "load_playbook"]
