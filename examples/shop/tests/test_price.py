import pytest
from shop.price import with_discount


@pytest.mark.parametrize(
    ("cents", "count", "expected"),
    [
        pytest.param(40, 1, 40, id="one piece"),
        pytest.param(360, 9, 360, id="nine pieces, no discount"),
        pytest.param(400, 10, 380, id="ten pieces, five percent"),
        pytest.param(25 * 11, 11, 261, id="rounded to the customer's favour"),
    ],
)
def test_discount(cents, count, expected):
    assert with_discount(cents, count) == expected
