"""Chapter 3, customer loyalty (客户的忠诚): who comes back, for how long, and what brings them."""

from crmlab.loyalty.alive import Alive, alive
from crmlab.loyalty.alive_check import AliveCheck, alive_check
from crmlab.loyalty.four_cases import FourCases, four_cases
from crmlab.loyalty.future import RepeatPurchases, repeat_buying
from crmlab.loyalty.gaps import PurchaseGaps, purchase_gaps
from crmlab.loyalty.holdout import Holdout, holdout
from crmlab.loyalty.nine_measures import index_weights, loyalty_measures
from crmlab.loyalty.offers import Offers, offers
from crmlab.loyalty.repeat import RepeatPurchase, repeat_purchase
from crmlab.loyalty.satisfaction_link import SatisfactionLink, satisfaction_link
from crmlab.loyalty.scorecard import Scorecard, scorecard
from crmlab.loyalty.survival import Survival, survival

__all__ = [
    "Alive",
    "AliveCheck",
    "FourCases",
    "Holdout",
    "Offers",
    "PurchaseGaps",
    "RepeatPurchase",
    "RepeatPurchases",
    "SatisfactionLink",
    "Scorecard",
    "Survival",
    "alive",
    "alive_check",
    "four_cases",
    "holdout",
    "index_weights",
    "loyalty_measures",
    "offers",
    "purchase_gaps",
    "repeat_buying",
    "repeat_purchase",
    "satisfaction_link",
    "scorecard",
    "survival",
]
