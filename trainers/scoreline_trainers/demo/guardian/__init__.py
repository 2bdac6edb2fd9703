"""The demo of decisions: cardholders whose impulse buys are met with a pause or a nudge."""
