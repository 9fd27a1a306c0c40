"""What people may say to the queue in a comment or by a label, and how a line says it.

    @oya r+ [sha] [p=N]    @oya r=a,b    @oya r-    @oya p=N    @oya try    @oya try cancel
    @oya retry    @oya cancel    @oya delegate=user    @oya delegate-    @oya squash    @oya hold
    @oya release    @oya treeclosed=N reason    @oya treeopen    @oya status    @oya help
    @oya rework [note]

Reads plain text, line by line: what of a comment is plain text is the bot's business, and so is who
spoke. Knows nothing of changes or permissions: what follows from a command is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum

PREFIX = "@oya"
"""How a line speaks to us, unless the configuration says otherwise."""
JOINED = "\u00a0"
"""A space that joins: it parts no words, and no prefix begins after it. The bot writes it between
the words of code, links and the like, which are read but are no place for a command."""
COMMANDS_MAX = 20
"""Lines of one comment that may speak to us; a person writes one or two."""
LINE_MAX = 1_000
"""Characters of a line that are read, which bounds a reason and a note; more is a fault."""
WORD_SHOWN_MAX = 60
"""Characters of a wrong word that are said back."""
PRIORITY_MAX = 1_000
"""The least urgent, as in beads files; 0 is the most urgent."""


class Verb(StrEnum):
    """What may be asked for, by its shortest spelling."""

    APPROVE = "r+"
    UNAPPROVE = "r-"
    PRIORITY = "p"
    TRY = "try"
    TRY_CANCEL = "try cancel"
    RETRY = "retry"
    CANCEL = "cancel"
    DELEGATE = "delegate"
    UNDELEGATE = "delegate-"
    SQUASH = "squash"
    HOLD = "hold"
    RELEASE = "release"
    CLOSE_TREE = "treeclosed"
    OPEN_TREE = "treeopen"
    STATUS = "status"
    HELP = "help"
    REWORK = "rework"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One thing asked for. `priority` is that of an approval, of the change, or where the tree
    closes (None: not said); `head` the commit that is approved, seven hexadecimal digits or more
    of it (empty: the one there is now); `reviewers` in whose name (empty: the speaker's own);
    `user` who is delegated to; `note` a reason or what a worker is to do."""

    verb: Verb
    priority: int | None = None
    head: str = ""
    reviewers: tuple[str, ...] = ()
    user: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A line that speaks to us and cannot be understood: the line as far as it is shown, what is
    wrong with it, the mend (empty where `meant` is all there is to say), and the line that may have
    been meant, or nothing. Words of the speaker's stand in the first two."""

    line: str
    why: str
    mend: str = ""
    meant: str = ""


@dataclass(frozen=True, slots=True)
class Speech:
    """What a text asks for, in the order of its lines, and what in it cannot be understood."""

    commands: tuple[Command, ...] = ()
    faults: tuple[Fault, ...] = ()


class _Wrong(Exception):
    """A line cannot be understood: why, and the mend."""

    def __init__(self, why: str, mend: str = "", meant: str = "") -> None:
        super().__init__(why)
        self.fault = Fault(line="", why=why, mend=mend, meant=meant)


def listen(text: str, prefix: str = PREFIX) -> Speech:
    """What a plain text says to us, at most one command a line.

    The prefix counts anywhere in a line, as a word of its own and in any case. At the beginning of
    a line whatever follows it is meant for us; further on only a word that we know is, for people
    talk about a bot too.
    """
    commands: list[Command] = []
    faults: list[Fault] = []
    for rest, first in _addressed(text, prefix):
        shown = _shown(f"{prefix} {rest}".strip())
        if len(commands) + len(faults) == COMMANDS_MAX:
            why = f"A comment has more than {COMMANDS_MAX} commands."
            faults.append(Fault(line=shown, why=why, mend="Write the others in another comment."))
            break
        word, _, tail = rest.partition(" ")
        if not first and _spelling(word) is None:
            continue
        try:
            commands.append(_command(word, tail.strip(), prefix))
        except _Wrong as wrong:
            faults.append(replace(wrong.fault, line=shown))
    return Speech(tuple(commands), tuple(faults))


def _addressed(text: str, prefix: str) -> Iterator[tuple[str, bool]]:
    """What follows the prefix in each line that has it, and whether the line began with it."""
    addressed = re.compile(rf"(?<![^ ]){re.escape(prefix)}(?=[ :,]|$)[:,]?", re.IGNORECASE)
    for line in text.replace("\t", " ").splitlines():
        if (found := addressed.search(line)) is not None:
            yield line[found.end() :].strip(" "), not line[: found.start()].strip(" ")


def _shown(text: str, most: int = 200) -> str:
    plain = text.replace(JOINED, " ")
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _command(word: str, tail: str, prefix: str) -> Command:
    """The command of a line. Raises _Wrong."""
    if not word:
        raise _Wrong("No command follows the name.", meant=f"{prefix} help")
    if len(word) + len(tail) > LINE_MAX:
        raise _Wrong(f"The line has more than {LINE_MAX} characters.", "Say it in fewer.")
    spelling = _spelling(word)
    if spelling is None:
        raise _unknown(word, prefix)
    return _READ[spelling](f"{word} {tail}".strip())


def _spelling(word: str) -> str | None:
    """How the command that a word begins is written, or None: `r=ann` is an `r=`."""
    low = word.lower()
    name, equals, _ = low.partition("=")
    spelling = f"{name}{equals}"
    return spelling if spelling in _READ else None


def _unknown(word: str, prefix: str) -> _Wrong:
    low = word.lower().partition("=")[0][:WORD_SHOWN_MAX]
    near = next(iter(get_close_matches(low, _MEANT, n=1)), "")
    return _Wrong(
        f"There is no command '{_shown(word, WORD_SHOWN_MAX)}'.",
        meant=f"{prefix} {_MEANT[near]}" if near else "",
    )


# --- Words and values ----------------------------------------------------------------------------

_PIECE = re.compile(r' *(?:(?P<key>[^ ="]+)(?P<is>=))?(?:"(?P<quoted>[^"]*)"|(?P<bare>[^ "]*))')
"""A word, `key=value` or `key="any words"`; what it leaves before the next space is wrong."""


@dataclass(slots=True)
class _Words:
    """What stands in a line: values by their key, and words without one."""

    values: dict[str, str]
    words: list[str]

    def take(self, key: str) -> str | None:
        return self.values.pop(key, None)

    def end(self) -> None:
        """All that was not taken is too much. Raises _Wrong."""
        for one in [*(f"{key}={value}" for key, value in self.values.items()), *self.words]:
            shown = _shown(one, WORD_SHOWN_MAX)
            raise _Wrong(f"'{shown}' is not part of this command.", "Write it without that word.")


def _words(text: str) -> _Words:
    """The words of a line. Raises _Wrong for an open quote, a key that comes twice, a key without a
    value."""
    found, at = _Words({}, []), 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None or text[piece.end() : piece.end() + 1] not in ("", " "):
            raise _Wrong("A quote is open, or stands within a word.", _QUOTING)
        at = piece.end()
        key, value = piece["key"], piece["bare"] if piece["quoted"] is None else piece["quoted"]
        if piece["is"] is None:
            if piece["quoted"] is not None or "=" in value:
                raise _Wrong(
                    f"A value stands without a key: '{_shown(value, WORD_SHOWN_MAX)}'.", _QUOTING
                )
            found.words += [value] if value else []
            continue
        _put(found.values, key.lower(), value.strip())
    return found


_QUOTING = 'Write key=value, or key="some words" with a quote on either side.'


def _put(values: dict[str, str], key: str, value: str) -> None:
    shown = _shown(key, WORD_SHOWN_MAX)
    if key in values:
        raise _Wrong(f"'{shown}=' comes twice.", "Give it once.")
    if not value:
        raise _Wrong(f"'{shown}=' has no value.", f"Write {shown}=value, without a space.")
    values[key] = value


_HEAD = re.compile(r"[0-9a-f]{7,40}", re.IGNORECASE)
_USER = re.compile(r"@?([A-Za-z0-9][A-Za-z0-9_-]{0,98})")
"""A login of GitHub; those of managed accounts end in an underscore and a short code."""


def _priority(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,7}", value) or int(value) > PRIORITY_MAX:
        raise _Wrong(
            f"'{_shown(value, WORD_SHOWN_MAX)}' is no priority.",
            f"Priorities are whole numbers from 0, the most urgent, to {PRIORITY_MAX}.",
        )
    return int(value)


def _user(value: str) -> str:
    found = _USER.fullmatch(value.strip())
    if found is None:
        shown = _shown(value, WORD_SHOWN_MAX)
        mend = "Write names as GitHub shows them, several as r=ann,bob without spaces."
        raise _Wrong(f"'{shown}' is no user's name.", mend)
    return found[1]


def _maybe_priority(words: _Words) -> int | None:
    value = words.take("p")
    return None if value is None else _priority(value)


# --- One reader a spelling -----------------------------------------------------------------------


def _approve(text: str) -> Command:
    """`r+` and `r=a,b`: both take a commit and a priority."""
    words = _words(text)
    names = words.take("r")
    if names is None:
        words.words.pop(0)
    reviewers = () if names is None else tuple(_user(name) for name in names.split(","))
    head = words.words.pop(0) if words.words else ""
    if head and _HEAD.fullmatch(head) is None:
        raise _Wrong(
            f"'{_shown(head, WORD_SHOWN_MAX)}' is no commit id.",
            "A commit id has 7 to 40 hexadecimal digits; without one the commit that is there now"
            " is approved.",
        )
    priority = _maybe_priority(words)
    words.end()
    return Command(verb=Verb.APPROVE, head=head.lower(), priority=priority, reviewers=reviewers)


def _change_priority(text: str) -> Command:
    words = _words(text)
    priority = _maybe_priority(words)
    words.end()
    return Command(verb=Verb.PRIORITY, priority=priority)


def _try(text: str) -> Command:
    words = _words(text)
    words.words.pop(0)
    cancel = bool(words.words) and words.words[0].lower() == "cancel"
    if cancel:
        words.words.pop(0)
    words.end()
    return Command(verb=Verb.TRY_CANCEL if cancel else Verb.TRY)


def _delegate(text: str) -> Command:
    words = _words(text)
    user = _user(words.take("delegate") or "")
    words.end()
    return Command(verb=Verb.DELEGATE, user=user)


def _close_tree(text: str) -> Command:
    """What follows the number is a reason in plain words, where quotes are quotes."""
    word, _, reason = text.partition(" ")
    priority = _priority(_words(word).take("treeclosed") or "")
    return Command(verb=Verb.CLOSE_TREE, priority=priority, note=_note(reason))


def _rework(text: str) -> Command:
    """What follows is a note in plain words, where quotes are quotes."""
    return Command(verb=Verb.REWORK, note=_note(text.partition(" ")[2]))


def _note(text: str) -> str:
    return " ".join(text.replace(JOINED, " ").split())


def _alone(verb: Verb) -> Callable[[str], Command]:
    """A command that takes nothing."""

    def read(text: str) -> Command:
        words = _words(text)
        words.words.pop(0)
        words.end()
        return Command(verb=verb)

    return read


_READ: Mapping[str, Callable[[str], Command]] = {
    "r+": _approve,
    "r=": _approve,
    "p=": _change_priority,
    "try": _try,
    "delegate=": _delegate,
    "treeclosed=": _close_tree,
    "rework": _rework,
    **{
        verb.value: _alone(verb)
        for verb in (
            Verb.UNAPPROVE,
            Verb.RETRY,
            Verb.CANCEL,
            Verb.UNDELEGATE,
            Verb.SQUASH,
            Verb.HOLD,
            Verb.RELEASE,
            Verb.OPEN_TREE,
            Verb.STATUS,
            Verb.HELP,
        )
    },
}
"""How commands begin, and who reads each."""

_MEANT = {
    **{word: word for word in _READ if "=" not in word},
    **dict.fromkeys(("approve", "approved", "lgtm", "merge", "land", "ship", "queue", "r"), "r+"),
    **dict.fromkeys(("reject", "unapprove", "r-+"), "r-"),
    **dict.fromkeys(("p", "prio", "priority"), "p=N"),
    **dict.fromkeys(("delegate", "delegate+"), "delegate=NAME"),
    **dict.fromkeys(("treeclosed",), "treeclosed=N"),
    **dict.fromkeys(("treeclosed-", "treeopened"), "treeopen"),
    **dict.fromkeys(("try-", "untry"), "try cancel"),
    **dict.fromkeys(("stop", "abort", "dequeue"), "cancel"),
    **dict.fromkeys(("rebase", "recheck", "rerun", "retest"), "retry"),
    **dict.fromkeys(("unhold", "resume"), "release"),
    **dict.fromkeys(("pause", "wip", "block"), "hold"),
    **dict.fromkeys(("fix", "redo"), "rework"),
}
"""What an unknown word, or one like it, may have been meant to be; words of other bots too."""


# --- Labels --------------------------------------------------------------------------------------


def of_label(name: str, prefix: str = PREFIX) -> Command | None:
    """What a label asks for while it stands: `oya:queue`, `oya:hold`, `oya:priority/N`, `oya:try`;
    None for all others, the labels that show a state among them."""
    low, ours = name.lower(), f"{label_prefix(prefix)}:"
    if not low.startswith(ours):
        return None
    word, _, number = low.removeprefix(ours).partition("/")
    if word == "priority":
        try:
            return Command(verb=Verb.PRIORITY, priority=_priority(number))
        except _Wrong:
            return None
    verb = {"queue": Verb.APPROVE, "hold": Verb.HOLD, "try": Verb.TRY}.get(word)
    return None if verb is None or "/" in low else Command(verb=verb)


def label_prefix(prefix: str = PREFIX) -> str:
    """What stands before the colon of our labels: the prefix without what is no letter."""
    return re.sub(r"[^\w-]", "", prefix).lower()
