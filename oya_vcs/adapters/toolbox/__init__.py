"""The private tool folder: where jj and git come from, and how a machine without them gets them.

`find` looks and starts nothing but `--version`; `provision` fills the folder, through `debian` or a
package manager. Knows `config` and `errors`, no other adapter, and nothing of repositories. Needs
the standard library only, so that it works before anything else is installed.
"""

from oya_vcs.adapters.toolbox.find import GIT_MIN, JJ_MIN, Tools, find_tools
from oya_vcs.adapters.toolbox.provision import provision

__all__ = ["GIT_MIN", "JJ_MIN", "Tools", "find_tools", "provision"]
