"""What a Qdrant server answered instead, as an error for the caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from quarterdeck.common.errors import Internal, NotFound, QuarterdeckError, Unavailable

REFUSED = {401, 403}
MISSING = 404
# Our own fault, and the same again when repeated.
REQUEST_WRONG = {400, 409, 413, 422}
SHOWN = 200


@contextmanager
def explained() -> Iterator[None]:
    """Turns the client's exceptions into ours: Unavailable, NotFound for data that is gone, or Internal."""
    try:
        yield
    except ResourceExhaustedResponse as error:
        raise Unavailable("the Qdrant server has too much to do", retry_after=error.retry_after_s) from error
    except UnexpectedResponse as error:
        raise _answered(error) from error
    except ResponseHandlingException as error:
        cause = error.source
        raise Unavailable(
            f"the Qdrant server cannot be reached: {type(cause).__name__} {cause}".strip(),
            hint="see that it runs and that QD_MEMORY_VECTORS_URL is its address",
        ) from error
    except ApiException as error:
        raise Unavailable(f"the Qdrant server failed: {error}") from error


def _answered(error: UnexpectedResponse) -> QuarterdeckError:
    if error.status_code in REFUSED:
        return Unavailable(
            f"the Qdrant server refuses the key (HTTP {error.status_code})",
            hint="set QD_MEMORY_VECTORS_KEY to a key that may read and write",
        )
    if error.status_code == MISSING:
        return NotFound("the Qdrant server has lost the collection's data", reason="CollectionMissing")
    text = f"HTTP {error.status_code}: {error.content.decode(errors='replace')[:SHOWN]}"
    if error.status_code is not None and error.status_code in REQUEST_WRONG:
        return Internal(f"the Qdrant server does not take the request ({text})")
    return Unavailable(f"the Qdrant server failed ({text})")
