"""Configuration: one frozen value, read once; and where things live.

Where things live is all that a command needs which only asks the daemon, and is imported at once;
the rest is when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from oya_vcs.config.places import (
    Home,
    default_home,
    environment,
    socket_address,
    templates_folder,
    tools_folder,
    user_config,
)

if TYPE_CHECKING:
    from oya_vcs.config.gateway import GatewayConfig, Price
    from oya_vcs.config.loading import load, target_of
    from oya_vcs.config.opencode import OpencodeConfig
    from oya_vcs.config.sections import (
        BudgetConfig,
        Config,
        GithubConfig,
        HooksConfig,
        LogsConfig,
        QueueConfig,
        RepoConfig,
        TrackerConfig,
        WebConfig,
        WorkerConfig,
        WorkspaceConfig,
    )

__all__ = [
    "BudgetConfig",
    "Config",
    "GatewayConfig",
    "GithubConfig",
    "Home",
    "HooksConfig",
    "LogsConfig",
    "OpencodeConfig",
    "Price",
    "QueueConfig",
    "RepoConfig",
    "TrackerConfig",
    "WebConfig",
    "WorkerConfig",
    "WorkspaceConfig",
    "default_home",
    "environment",
    "load",
    "socket_address",
    "target_of",
    "templates_folder",
    "tools_folder",
    "user_config",
]


def __getattr__(name: str) -> Any:
    """What is imported when it is asked for (PEP 562)."""
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    room = _ELSEWHERE.get(name, "sections")
    return getattr(import_module(f"{__name__}.{room}"), name)


_ELSEWHERE = {
    "load": "loading",
    "target_of": "loading",
    "GatewayConfig": "gateway",
    "OpencodeConfig": "opencode",
    "Price": "gateway",
}
