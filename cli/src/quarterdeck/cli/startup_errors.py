"""Why a platform did not start, in one line: what, where, what to do."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from quarterdeck.cli.constants import EXIT_FAILED, EXIT_IN_USE, EXIT_INVALID, EXIT_STORAGE
from quarterdeck.cli.errors import CliError

STORAGE_REASONS = ("DiskFull", "CorruptDatabase", "ReadOnlyDatabase", "SchemaTooNew")
# No space, no quota, or a limit on the size of files.
FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The options by which people set what the gateway names by its variable.
PORT_OPTIONS = {"QD_GATEWAY_HTTP_PORT": "--port", "QD_GATEWAY_GRPC_PORT": "--grpc-port"}
_OTHER_PORTS = "stop that process, or choose others: `qd up --port 8520 --grpc-port 8521`"
STORAGE_ERRNOS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT)


def explain_start(error: BaseException, data_dir: Path) -> CliError:
    """Returns the error to show for whatever kept the platform from starting."""
    if isinstance(error, CliError):
        return error
    from pydantic import ValidationError

    from quarterdeck.common.errors import QuarterdeckError
    from quarterdeck.controller.configuration.errors import NoCluster

    if isinstance(error, QuarterdeckError):
        code = EXIT_STORAGE if error.reason in STORAGE_REASONS else EXIT_FAILED
        return _explain_port(error, error.hint) or CliError(error.message, hint=error.hint, code=code)
    if isinstance(error, NoCluster):
        return CliError(error.message, hint=error.hint, code=EXIT_FAILED)
    if isinstance(error, ValidationError):
        return _explain_settings(error)
    if isinstance(error, OSError):
        return _explain_os(error, data_dir)
    return CliError(
        f"the platform did not start: {type(error).__name__}: {first_line(error)}",
        hint=f"see {data_dir / 'logs/quarterdeck.log'}",
    )


def _explain_os(error: OSError, data_dir: Path) -> CliError:
    where = error.filename or data_dir
    if error.errno in FULL_ERRNOS:
        return CliError(
            f"the disk that holds {data_dir} is full ({where})",
            hint="free some space, or choose another directory with QD_DATA_DIR",
            code=EXIT_STORAGE,
        )
    if error.errno in STORAGE_ERRNOS:
        return CliError(
            f"cannot write {where}: {error.strerror or error}",
            hint="give it to your user, or choose another directory with QD_DATA_DIR",
            code=EXIT_STORAGE,
        )
    port = _explain_port(error, "")
    return port or CliError(f"the platform did not start: {first_line(error)}")


def _explain_port(error: Exception, hint: str) -> CliError | None:
    text = str(error)
    taken = getattr(error, "errno", None) == errno.EADDRINUSE or "ddress already in use" in text
    if not taken and "in use" not in text:
        return None
    found = re.search(r"[\w.]*:(\d{2,5})\b|port (\d{2,5})", text)
    port = (found[1] or found[2]) if found else ""
    return CliError(
        f"port {port} is in use by another process" if port else text,
        hint=_other_port(getattr(error, "field", "")) or hint or _OTHER_PORTS,
        code=EXIT_IN_USE,
    )


def _other_port(setting: str) -> str:
    """Returns what to do about the port of a setting, in the words of the command line."""
    option = PORT_OPTIONS.get(setting)
    return f"stop that process, or choose another port with {option} (0: any free one)" if option else ""


def _explain_settings(error: Exception) -> CliError:
    from pydantic import ValidationError

    assert isinstance(error, ValidationError)
    wrong = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
    return CliError(
        f"the configuration is wrong ({error.title})",
        details=wrong,
        hint="settings are environment variables QD_…, or lines of the file QD_ENV_FILE names",
        code=EXIT_INVALID,
    )


def first_line(error: BaseException) -> str:
    """Returns the first line of what an error says."""
    return (str(error).splitlines() or [""])[0]
