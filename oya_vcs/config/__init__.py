"""Configuration: one frozen value, read once; and where things live."""

from oya_vcs.config.gateway import GatewayConfig, Price
from oya_vcs.config.loading import load, target_of
from oya_vcs.config.opencode import OpencodeConfig
from oya_vcs.config.places import (
    Home,
    default_home,
    environment,
    socket_address,
    templates_folder,
    tools_folder,
    user_config,
)
from oya_vcs.config.sections import (
    Config,
    GithubConfig,
    LogsConfig,
    QueueConfig,
    RepoConfig,
    TrackerConfig,
    WebConfig,
    WorkerConfig,
    WorkspaceConfig,
)

__all__ = [
    "Config",
    "GatewayConfig",
    "GithubConfig",
    "Home",
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
