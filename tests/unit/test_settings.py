"""The file in which a site decides for all its guests."""

import os
from pathlib import Path

import pytest

from virtctl.cli.manual import SETTINGS
from virtctl.errors import VirtctlError
from virtctl.paths import Paths
from virtctl.state.settings import Settings, load_settings, settings_path


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths.under(tmp_path)
    made.config.mkdir(mode=0o700)
    return made


def write(paths: Paths, text: str) -> Path:
    path = settings_path(paths)
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_what_no_file_says_is_the_default(paths: Paths) -> None:
    assert load_settings(paths) == Settings()


def test_settings_are_read_and_comments_are_not(paths: Paths) -> None:
    write(paths, '# whom QEMU runs as\nuser = "+107"\n\n group=\'kvm\'  # and this\ndynamic_ownership = 0\n'
                 'save_image_format = "gzip"\nmax_log_size=1048576\n')
    assert load_settings(paths) == Settings("+107", "kvm", False, "gzip", 1 << 20)


@pytest.mark.parametrize(("text", "words"), [
    ("\nuser", ":2: expecting a name"),
    ("user = me", ":1: expecting a name"),
    ("colour = 1", ":1: unknown setting 'colour'"),
    ("user = 7", "setting 'user' is a string"),
    ('max_log_size = "2M"', "setting 'max_log_size' is a number"),
    ('save_image_format = "zip"', "Invalid save image format specified: zip"),
    ("# " + "x" * 70000, "larger than"),
])
def test_what_is_no_setting_is_refused_with_its_line(paths: Paths, text: str, words: str) -> None:
    path = write(paths, text)
    with pytest.raises(VirtctlError) as refusal:
        load_settings(paths)
    assert words in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_what_is_no_file_makes_nobody_wait(paths: Paths) -> None:
    os.mkfifo(settings_path(paths), 0o600)
    with pytest.raises(VirtctlError):
        load_settings(paths)


def test_each_setting_stands_in_the_manual_and_the_readme() -> None:
    assert tuple(name for name, _ in SETTINGS) == Settings._fields
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for name, doc in SETTINGS:
        assert f"| `{name}` |" in readme
        assert "default" in doc
