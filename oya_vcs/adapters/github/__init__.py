"""Changes that are pull requests on GitHub, or on an Enterprise server of one's own.

`wire` asks, as `limits` allow, and reads answers as `outcomes` has them; `auth` gets us in;
`client` is the API as the rest asks it. `opening`, `checks` (judged by `verdict`), `landing`,
`heads`, `trying` and `notices` carry effects out, `forge` says which does which; `people` and
`rights` tell who may do what, `claim` that no other home works there. `poller` finds what lost
webhooks would have told. None may know how a candidate is built, nor decide what follows from
anything.
"""

from oya_vcs.adapters.github.auth import App, Credentials, UserToken
from oya_vcs.adapters.github.checks import Bell, CandidateChecks
from oya_vcs.adapters.github.claim import claim
from oya_vcs.adapters.github.client import Github
from oya_vcs.adapters.github.forge import GithubForge, Understand
from oya_vcs.adapters.github.heads import Heads
from oya_vcs.adapters.github.landing import GithubRemote
from oya_vcs.adapters.github.notices import Notices
from oya_vcs.adapters.github.opening import Opening
from oya_vcs.adapters.github.outcomes import GithubFailed, Why
from oya_vcs.adapters.github.people import Person, ourselves
from oya_vcs.adapters.github.poller import Poller, require_open
from oya_vcs.adapters.github.rights import Looked, clock_of, look
from oya_vcs.adapters.github.trying import Trials
from oya_vcs.adapters.github.wire import Wire

__all__ = [
    "App",
    "Bell",
    "CandidateChecks",
    "Credentials",
    "Github",
    "GithubFailed",
    "GithubForge",
    "GithubRemote",
    "Heads",
    "Looked",
    "Notices",
    "Opening",
    "Person",
    "Poller",
    "Trials",
    "Understand",
    "UserToken",
    "Why",
    "Wire",
    "claim",
    "clock_of",
    "look",
    "ourselves",
    "require_open",
]
