"""Makes the tables of reasons of a route's new versions before they serve, where its old ones had theirs.

Otherwise the first call with reasons after every swap would wait for them, and others behind it.
"""

from scoreline_server.errors import ScoringError
from scoreline_server.failure_log import log_failure
from scoreline_server.scoring.catalog import Catalog


def warm_reasons(before: Catalog, after: Catalog) -> None:
    """Compiles the reasons of new versions behind routes whose callers ask for reasons. Never raises."""
    for name, route in after.routes.items():
        old = before.routes.get(name)
        if old is None or old is route or not any(arm.model.reasons.is_compiled for arm in old.arms):
            continue
        for arm in route.arms:
            try:
                if arm.model.reasons.is_there and not arm.model.reasons.is_compiled:
                    arm.model.contributions()
            except ScoringError as error:
                # The calls that ask for them get the same error; scores do not need it.
                log_failure("reasons of a version cannot be given", error, arm=arm.ref)
