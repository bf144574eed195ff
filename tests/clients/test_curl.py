"""Every command with curl in docs/serving.md, run as it stands there except for the server's address."""

import json
import re
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
# A command goes on in the next line after a backslash.
COMMANDS = re.findall(r"^curl .*(?:(?<=\\)\n.*)*", PAGE.read_text("utf-8"), re.MULTILINE)


def test_the_page_has_commands():
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_is_answered(command, url):
    assert "http://127.0.0.1:8000" in command
    here = command.replace("http://127.0.0.1:8000", url).replace("curl ", "curl -sS -w '\n%{http_code}' ", 1)
    done = subprocess.run(["bash", "-c", here], capture_output=True, text=True, timeout=60, check=True)
    answer, _, status = done.stdout.rpartition("\n")
    assert status == "200", answer
    assert json.loads(answer)
