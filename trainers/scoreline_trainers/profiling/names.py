"""What the name of a column tells: ids, units, dates of observation, codes, and facts that are known only later."""

import re

IDS = frozenset(
    {"id", "ids", "uuid", "guid", "key", "hash", "iban", "email", "phone", "ssn", "nr", "number", "no", "ref"}
)
PEOPLE = frozenset(
    {"customer", "client", "user", "account", "member", "person", "patient", "household", "borrower", "applicant"}
    | {"cardholder", "subscriber", "policyholder", "entity", "unit", "company", "employee", "visitor", "kunde", "konto"}
)
CODES = frozenset(
    {"sex", "gender", "education", "marriage", "marital", "status", "type", "code", "category", "class", "region"}
    | {
        "state",
        "country",
        "channel",
        "segment",
        "group",
        "plan",
        "product",
        "store",
        "branch",
        "merchant",
        "mcc",
        "zip",
    }
    | {"postcode", "postal", "browser", "device", "os", "operating", "systems", "traffic", "occupation", "housing"}
)
OBSERVED = frozenset(
    {"observed", "observation", "snapshot", "asof", "reference", "reporting", "report", "application", "applied"}
    | {"event", "transaction", "timestamp", "datetime", "date", "time", "when", "month", "day", "issue", "datum"}
)
LATER = frozenset(
    {"closed", "closing", "cancelled", "canceled", "cancellation", "churned", "terminated", "termination", "resolved"}
    | {"resolution", "outcome", "result", "chargeback", "recovery", "recovered", "recoveries", "collections", "settled"}
    | {"settlement", "writeoff", "chargeoff", "refund", "refunded", "duration", "conversion", "scenario", "exit"}
)
"""Of what is often known only after the event that a label describes."""
EARLIER = frozenset({"prev", "previous", "prior", "last", "past", "former", "p", "month", "months", "year", "years"})
BIRTH = frozenset({"birth", "dob", "born", "birthday", "birthdate", "expiry", "expires", "due", "until", "maturity"})

_UNITS = {
    "EUR": {"eur", "euro", "euros"},
    "USD": {"usd", "dollar", "dollars"},
    "GBP": {"gbp"},
    "%": {"pct", "percent", "percentage"},
    "days": {"days", "day"},
    "months": {"months", "month"},
    "years": {"years", "year", "age"},
    "hours": {"hours", "hour"},
    "minutes": {"minutes"},
    "seconds": {"seconds", "sec"},
}


def words(name: str) -> tuple[str, ...]:
    """The words of a column's name in lower case: "CustomerID", "customer_id" and "customer id" have the same."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(word for word in re.split(r"[\W_]+", parted.lower()) if word)


def names_an_id(name: str) -> bool:
    """Whether a name ends as those of ids do."""
    found = words(name)
    return bool(found) and found[-1] in IDS


def names_a_person(name: str) -> bool:
    """Whether a name is that of whom a row is about: customer_id, account."""
    found = words(name)
    if not found or PEOPLE.isdisjoint(found):
        return False
    return found[-1] in IDS or PEOPLE.issuperset(found)


def names_a_code(name: str) -> bool:
    """Whether whole numbers under this name are likely to be names."""
    return not CODES.isdisjoint(words(name))


def names_the_later(name: str) -> bool:
    """Whether what this name says is often known only after the event."""
    found = words(name)
    return not LATER.isdisjoint(found) and EARLIER.isdisjoint(found)


def unit_named(name: str) -> str:
    """The unit of amounts that a name gives, such as "EUR" or "days"; empty where it gives none."""
    found = words(name)
    return next((unit for unit, spoken in _UNITS.items() if not spoken.isdisjoint(found)), "")
