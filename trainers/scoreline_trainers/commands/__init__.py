"""The ``scoreline`` commands of the trainers."""
