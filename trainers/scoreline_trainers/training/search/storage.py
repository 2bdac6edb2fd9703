"""Optuna, which the extra ``search`` brings, and the file that keeps the trials of a search."""

from pathlib import Path
from typing import Any

from scoreline_trainers.errors import RecipeError


def optuna_module(recipe: str) -> Any:
    """The library, without its log lines. Raises RecipeError where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise RecipeError(recipe, ["search: needs optuna: pip install 'scoreline[search]'"]) from error
    optuna.logging.disable_default_handler()
    return optuna


def journal(path: Path, name: str, *, recipe: str) -> Any:
    """The trials that a file keeps, for the study ``name``; a file that is not there is made.

    Raises:
        RecipeError: the file cannot be read, or keeps trials of another study.
    """
    optuna = optuna_module(recipe)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
        kept = optuna.get_all_study_names(storage)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecipeError(recipe, [f"search.resume: {path} cannot be read as trials of a search: {error}"]) from error
    if kept and name not in kept:
        problem = f"search.resume: {path} holds trials of another recipe, table or space: name another file"
        raise RecipeError(recipe, [problem])
    return storage
