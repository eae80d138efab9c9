"""Kubernetes quantities (`500m`, `4`, `256G`, `1e3`) as exact numbers."""

from decimal import Decimal, InvalidOperation
from functools import lru_cache

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


@lru_cache(maxsize=4096)
def amount(quantity: str | int) -> Decimal:
    """The quantity in base units. Raises ValueError where the text is not a quantity."""
    text = str(quantity)
    number, power = text, Decimal(1)
    if text[-2:] in _BINARY:
        number, power = text[:-2], Decimal(1024) ** _BINARY[text[-2:]]
    elif text[-1:] in _DECIMAL:
        number, power = text[:-1], Decimal(10) ** _DECIMAL[text[-1:]]
    try:
        return Decimal(number) * power
    except InvalidOperation:
        raise ValueError(f"{quantity!r} is not a quantity, such as 500m, 4 or 256G") from None
