"""What can be set, and where each value comes from: argument, flag, environment, file, default.

One table names every setting; the loader, `pulsing config`, the JSON schema and the page of the documentation are made
from it. Knows nothing of what a setting does.
"""

from __future__ import annotations

from pulsing.settings.errors import SettingError
from pulsing.settings.files import find_file
from pulsing.settings.option import Option
from pulsing.settings.resolve import Setting, Settings, resolve
from pulsing.settings.table import OPTIONS
from pulsing.settings.thresholds import THRESHOLDS, Threshold

__all__ = [
    "OPTIONS",
    "THRESHOLDS",
    "Option",
    "Setting",
    "SettingError",
    "Settings",
    "Threshold",
    "find_file",
    "resolve",
]
