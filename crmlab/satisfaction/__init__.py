"""Chapter 2, customer satisfaction (客户的满意): what customers say, and how far it holds."""

from crmlab.satisfaction.net_promoter import nps, nps_error, nps_interval, nps_of
from crmlab.satisfaction.over_time import satisfaction_chart
from crmlab.satisfaction.responses import item_names, items, responses, wide
from crmlab.satisfaction.scores import csat
from crmlab.satisfaction.servqual import gap_table, servqual

__all__ = [
    "csat",
    "gap_table",
    "item_names",
    "items",
    "nps",
    "nps_error",
    "nps_interval",
    "nps_of",
    "responses",
    "satisfaction_chart",
    "servqual",
    "wide",
]
