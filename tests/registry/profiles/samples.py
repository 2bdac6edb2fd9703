"""Profiles of the tests."""

from functools import cache

from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.profile_file import read_profile

SPENDING = """\
profile: spending
description: What is known of each customer.
lateness: 1h
timezone_offset_minutes: 60
keep: 400d
events:
  purchase: {fields: {amount: number, category: category, method: category}}
  click: {fields: {page: category, dwell: number, cart: number}}
  refund: {fields: {amount: number}}
  referral: {fields: {referrer: entity}}
features:
  purchases_30d: {aggregate: count, events: purchase, window: 30d}
  spent_30d: {aggregate: sum, events: purchase, field: amount, window: 30d, tile: 1d, default: 0}
  spent_mean: {aggregate: mean, field: amount, window: 90d}
  spent_recently: {aggregate: sum, events: [purchase, refund], field: amount, half_life: 7d}
  clicks: {aggregate: count, events: click, session: 30m}
  clicks_per_minute: {aggregate: rate, events: click, session: 30m, per: minute}
  food_share: {aggregate: share, events: purchase, where: {category: {in: [food, wine]}}, window: 90d}
  pages: {aggregate: distinct, field: page, window: 7d}
  last_page: {aggregate: last, events: click, field: page, default: home}
  last_dwell: {aggregate: last, field: dwell}
  seconds_since_click: {aggregate: time_since_last, events: click}
  age_days: {aggregate: time_since_first, unit: days, default: 0}
  steps: {aggregate: sequence, events: purchase, fields: [amount, category, since_previous_seconds], length: 20}
  referrers: {aggregate: neighbors, field: referrer, most: 8, features: [purchases_30d, spent_30d]}
  amount_z: {aggregate: z_score, events: purchase, field: amount, window: 90d}
  category_rarity: {aggregate: rarity, field: category, window: 365d}
  is_new_category: {aggregate: unseen, field: category}
  hour_rarity: {aggregate: hour_rarity, events: purchase, window: 365d}
  method_risk: {aggregate: lookup, field: method, values: {card: 0.1, bnpl: 0.8}, default: 0.5}
  urgent: {aggregate: flag, when: {seconds_since_click: {lt: 5}, event.cart: {gt: 100}, last_page: {eq: cart}}}
  per_click: {aggregate: ratio, of: event.amount, to: clicks, default: 0}
"""


@cache
def profile(text: str = SPENDING) -> Profile:
    """The profile of a text, read once."""
    return read_profile(text, source="spending.yaml")


def changed(old: str, new: str, text: str = SPENDING) -> str:
    """The text with one part replaced."""
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)
