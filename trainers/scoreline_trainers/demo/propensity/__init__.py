"""The demo of routes: two models of customers who may buy, and a champion that is swapped while they are scored."""
