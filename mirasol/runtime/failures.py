"""One message of a failure, however many processes it ends."""

from __future__ import annotations

import datetime
import os

from mirasol.launched import launch

_TIMEOUT = datetime.timedelta(seconds=10)


def is_first(error: BaseException) -> bool:
    """Returns whether this process is to tell of its error: no other one has failed before.

    Those that fail since another one is gone keep silent. Torchrun's store, which outlives the
    processes, counts the failures; under another launcher each process tells of its own.
    """
    here = launch()
    if not here.several:
        return True
    from torch.distributed.rendezvous import rendezvous

    from mirasol.runtime.talk import ElsewhereError

    if isinstance(error, ElsewhereError):
        return False
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return True
    try:
        store, _, _ = next(rendezvous("env://", timeout=_TIMEOUT))
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        return store.add(f"mirasol/failures/{attempt}", 1) == 1
    except (RuntimeError, OSError):  # Torchrun itself is gone.
        return here.leads


def tell_launcher(error: BaseException) -> None:
    """Has torchrun's own report name an error that is no user's mistake."""
    if launch().several:
        from torch.distributed.elastic.multiprocessing.errors import get_error_handler

        get_error_handler().record_exception(error)
