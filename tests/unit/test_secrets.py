"""Which variables of the environment are secrets."""

from __future__ import annotations

import pytest

from oya_vcs.config.secrets import looks_secret, secret_values


@pytest.mark.parametrize(
    "name",
    [
        *("GITHUB_TOKEN", "token", "NPM_TOKEN2", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY"),
        *("PGPASSWORD", "DB_PASS", "GPG_PASSPHRASE", "CLIENT_SECRET", "APIKEY", "SENTRY_DSN"),
        *("GIT_CREDENTIALS", "AZURE_STORAGE_CONNECTION_STRING", "GITLAB_PAT", "STRIPE_KEY"),
    ],
)
def test_names_that_hold_secrets(name: str) -> None:
    """What people call their secrets."""
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "PWD", "OLDPWD", "HOME", "KEYBOARD", "AWS_ACCESS_KEY_ID", "SSH_AUTH_SOCK"),
        *("GITHUB_TOKEN_FILE", "OYA_GITHUB__TOKEN_ENV", "XAUTHORITY", "MONKEY", "COMPASS"),
    ],
)
def test_names_that_hold_none(name: str) -> None:
    """Folders, files, ids and the names of other variables are no secrets."""
    assert not looks_secret(name)


def test_named_variables_are_secrets_in_every_form() -> None:
    """A variable that the configuration names is one whatever its name, also in JSON and URLs."""
    environ = {"PLAIN": 'a"b c\n', "OTHER": "visible", "MY_TOKEN": "", "X_TOKEN": "t/ok en"}
    assert set(secret_values(environ, ["PLAIN", "MISSING"])) == {
        'a"b c\n',
        'a\\"b c\\n',
        "a%22b%20c%0A",
        "t/ok en",
        "t%2Fok%20en",
    }


def test_the_key_of_an_attempt_is_no_secret() -> None:
    """A daemon inside a worker of another one goes on showing keys."""
    assert secret_values({"OYA_EXECUTION_KEY": "3f2504e0-4f89"}, []) == ()
