"""What an order costs."""

DISCOUNT_FROM = 10
DISCOUNT_PERCENT = 5


def with_discount(cents: int, count: int) -> int:
    """Five percent off from ten pieces on, rounded to the customer's favour."""
    if count < DISCOUNT_FROM:
        return cents
    return cents * (100 - DISCOUNT_PERCENT) // 100
