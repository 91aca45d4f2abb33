"""Chapter 2, customer satisfaction (客户的满意): what customers say, and how far it holds."""

from crmlab.satisfaction.responses import item_names, items, responses, wide

__all__ = [
    "item_names",
    "items",
    "responses",
    "wide",
]
