"""The demo of what-if and attacks: subscribers who may leave, their friends, and the offers that keep them."""
