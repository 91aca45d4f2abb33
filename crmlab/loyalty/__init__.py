"""Chapter 3, customer loyalty (客户的忠诚): who comes back, for how long, and what brings them."""

from crmlab.loyalty.four_cases import FourCases, four_cases
from crmlab.loyalty.nine_measures import index_weights, loyalty_measures
from crmlab.loyalty.offers import Offers, offers
from crmlab.loyalty.repeat import RepeatPurchase, repeat_purchase
from crmlab.loyalty.scorecard import Scorecard, scorecard

__all__ = [
    "FourCases",
    "Offers",
    "RepeatPurchase",
    "Scorecard",
    "four_cases",
    "index_weights",
    "loyalty_measures",
    "offers",
    "repeat_purchase",
    "scorecard",
]
