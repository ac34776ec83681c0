"""FiftyOne with our settings, its database, and one clear line where either is missing."""

from __future__ import annotations

import atexit
import os
from pathlib import Path
from typing import Any

from vggss_tools.errors import VggssError, import_extra

EXTRA = "verify"
_DATABASE_WAIT_MS = 5_000


def settle_environment() -> None:
    """Set what FiftyOne reads when it is imported; a user's own settings stay."""
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "1"
    os.environ.setdefault("FIFTYONE_SHOW_PROGRESS_BARS", "false")
    os.environ.setdefault("FIFTYONE_LOGGING_LEVEL", "ERROR")
    # Otherwise every call of an operator loads all plugins again.
    os.environ.setdefault("FIFTYONE_PLUGINS_CACHE_ENABLED", "true")


def import_fiftyone() -> Any:
    """Import FiftyOne and see that its database answers.

    Raises
    ------
    MissingExtra
        If FiftyOne is not installed.
    VggssError
        If its database does not start, or cannot be reached.
    """
    settle_environment()
    fo = import_extra("fiftyone", EXTRA)
    import pymongo
    import pymongo.errors

    uri = fo.config.database_uri
    try:
        if uri is not None:
            client: Any = pymongo.MongoClient(uri, serverSelectionTimeoutMS=_DATABASE_WAIT_MS)
            with client:
                client.admin.command("ping")
        fo.list_datasets()
    except _database_errors() as error:
        raise VggssError(_no_database(fo, error)) from None
    return fo


def leave_database(fo: Any) -> None:
    """Keep FiftyOne from waiting half a minute, at the end, for a database that has gone."""
    at_exit = getattr(fo.core.odm.database, "_delete_non_persistent_datasets_if_allowed", None)
    if at_exit is not None:
        atexit.unregister(at_exit)


def open_dataset(name: str, *, reload: bool = False) -> Any:
    """Return a data set of the local database.

    Parameters
    ----------
    reload : bool
        Whether to look at it anew; another process may have made it again meanwhile.

    Raises
    ------
    VggssError
        If there is none of that name, or no database.
    """
    fo = import_fiftyone()
    if not fo.dataset_exists(name):
        raise VggssError(
            f"{name}: no such data set in FiftyOne's database; make it with `vggss verify`"
        )
    return fo.load_dataset(name, reload=reload)


def _database_errors() -> tuple[type[BaseException], ...]:
    import pymongo.errors
    from fiftyone.core.config import FiftyOneConfigError
    from fiftyone.core.service import ServiceException

    return (
        pymongo.errors.PyMongoError,
        FiftyOneConfigError,
        ServiceException,
        ConnectionError,
        PermissionError,
        RuntimeError,
    )


def _no_database(fo: Any, error: BaseException) -> str:
    uri = fo.config.database_uri
    # Up to where MongoDB's driver begins to list its settings.
    reason = " ".join(str(error).split()).partition(" (configured")[0][:200]
    reason = reason or type(error).__name__
    if uri is not None:
        return (
            f"FiftyOne's database at {_without_password(uri)}: does not answer ({reason}); "
            "start it, or unset FIFTYONE_DATABASE_URI"
        )
    log = Path(fo.config.database_dir) / "log" / "mongo.log"
    return (
        f"FiftyOne's database: does not start ({reason}); see {log}, "
        "or give a MongoDB of your own by FIFTYONE_DATABASE_URI"
    )


def _without_password(uri: str) -> str:
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
