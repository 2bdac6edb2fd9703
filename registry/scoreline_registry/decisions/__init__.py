"""Decisions: policies that turn scores into actions, their limits and their messages. Pure."""
