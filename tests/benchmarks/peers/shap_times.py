"""Times Shapley values of a LightGBM model: ``python shap_times.py BOOSTER.txt TABLE.npz ENGINE``.

The file holds ``rows`` and ``reference`` float32; ENGINE is shap or woodelf. Prints the seconds of CPU, then writes the
first values to TABLE.ENGINE.npy.
"""

import sys
import time
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd


def main(model: str, table: str, engine: str) -> None:
    """Explains all rows once."""
    booster = lightgbm.Booster(model_file=model)
    held = np.load(table)
    rows, reference = held["rows"], held["reference"]
    started = time.process_time()
    if engine == "shap":
        import shap

        explainer = shap.TreeExplainer(booster, reference, feature_perturbation="interventional", model_output="raw")
        values = np.asarray(explainer.shap_values(rows))
    else:
        from woodelf import WoodelfExplainer

        names = [f"Column_{place}" for place in range(rows.shape[1])]
        background = pd.DataFrame(reference, columns=names)
        explainer = WoodelfExplainer(booster, background, feature_perturbation="interventional")
        values = np.asarray(explainer.shap_values(pd.DataFrame(rows, columns=names), verbose=False))
    print(time.process_time() - started)
    np.save(Path(table).with_suffix(f".{engine}.npy"), values[:1000])


if __name__ == "__main__":
    main(*sys.argv[1:])
