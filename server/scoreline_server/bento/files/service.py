"""What BentoML imports from a Bento; everything else is in the wheel that stands in it."""  # noqa: INP001

from pathlib import Path

from scoreline_server.bento.service import service_of

Scoring = service_of(Path(__file__).parent)
