"""Chapter 3, customer loyalty (客户的忠诚): who comes back, for how long, and what brings them."""

from crmlab.loyalty.four_cases import FourCases, four_cases
from crmlab.loyalty.offers import Offers, offers
from crmlab.loyalty.repeat import RepeatPurchase, repeat_purchase

__all__ = [
    "FourCases",
    "Offers",
    "RepeatPurchase",
    "four_cases",
    "offers",
    "repeat_purchase",
]
