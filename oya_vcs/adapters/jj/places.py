"""Where a repository is, and what it is called: the same however the way to it is spelled.

Reads folders and starts no program. Must not know what is done in a repository.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from oya_vcs.core.ids import RepoId
from oya_vcs.errors import NotFound


def find_root(path: Path) -> Path:
    """The root of the jj workspace that holds `path`, the same however the path is spelled: no
    symbolic link and no `..` is in it. Raises NotFound, with the next step."""
    real = path.resolve()
    for folder in (real, *real.parents):
        if (folder / ".jj").is_dir():
            return folder
    if (path / ".git").exists():
        hint = f"It is a git repository: run `jj git init --colocate {path}` first."
    else:
        hint = "Run `jj git init` there, or name another folder with --repo."
    raise NotFound(f"There is no jj repository at {path}.", hint)


def repo_id(root: Path) -> RepoId:
    """The name of a repository in a home: its folder's name and eight digits of its path's hash."""
    root = root.resolve()
    name = "".join(c if c.isalnum() or c in "._-" else "-" for c in root.name) or "repo"
    return RepoId(f"{name}-{digest(root)[:8]}")


def find_store(path: Path) -> tuple[Path, Path]:
    """The root of the repository's first workspace, and its store."""
    root = find_root(path)
    store = store_of(root)
    return (store.parent.parent if (root / ".jj" / "repo").is_file() else root), store


def root_of(path: Path) -> Path:
    """The root of the first workspace of the repository around a folder. Raises NotFound."""
    return find_store(path)[0].resolve()


def store_of(root: Path) -> Path:
    """The repository behind a workspace: the `.jj/repo` of its first workspace, links resolved."""
    store = root / ".jj" / "repo"
    if store.is_file():
        store = root / ".jj" / store.read_text(encoding="utf-8").strip()
    return store.resolve()


def digest(path: Path) -> str:
    """The SHA-256 of a path without links, in hexadecimal. Blocks."""
    return hashlib.sha256(str(path.resolve()).encode()).hexdigest()
