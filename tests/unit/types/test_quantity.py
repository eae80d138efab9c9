"""Kubernetes quantities as exact numbers."""

from decimal import Decimal

import pytest

from stargate_types.quantity import amount


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4", "4"),
        (8, "8"),
        ("0.5", "0.5"),
        ("500m", "0.5"),
        ("100n", "0.0000001"),
        ("256G", "256000000000"),
        ("2Gi", "2147483648"),
        ("1E", "1e18"),
        ("1e3", "1000"),
        ("12E2", "1200"),
        ("-3", "-3"),
    ],
)
def test_quantity_becomes_an_exact_number(text: str, number: str) -> None:
    assert amount(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "G", "4 GB", "four", "1ki"])
def test_malformed_quantity_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        amount(text)
