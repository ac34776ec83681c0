"""Make ``kappa_golden.json``: kappas as other packages compute them.

Run it with scikit-learn (1.9.1), statsmodels (0.15.0) and irrCAC (0.4.4) in an environment of their
own::

    pip install scikit-learn statsmodels irrCAC
    python tests/annotate/make_kappa_golden.py

A case is a table of decisions, one row a question and one column a reviewer, "" where a reviewer
did not see it. ``cohen`` has, by the numbers of two columns, scikit-learn's ``cohen_kappa_score``;
``fleiss`` statsmodels' ``fleiss_kappa`` where everybody saw everything, and irrCAC's otherwise,
which is Gwet's own package (on the questions that at least two decided).
"""

from __future__ import annotations

import json
import random
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from irrCAC.raw import CAC  # type: ignore
from sklearn.metrics import cohen_kappa_score  # type: ignore
from statsmodels.stats.inter_rater import (  # type: ignore
    aggregate_raters,
    fleiss_kappa,
)

OUT = Path(__file__).with_name("kappa_golden.json")
DECISIONS = ("yes", "no", "not_sure")


def table(n_questions: int, n_reviewers: int, unseen: float, seed: int) -> list[list[str]]:
    """Draw decisions that agree more often than by chance, with gaps."""
    draw = random.Random(seed)
    rows = []
    for _ in range(n_questions):
        truth = draw.choices(DECISIONS, (0.7, 0.2, 0.1))[0]
        rows.append(
            [
                ""
                if draw.random() < unseen
                else truth
                if draw.random() < 0.75
                else draw.choice(DECISIONS)
                for _ in range(n_reviewers)
            ]
        )
    return rows


def golden(rows: list[list[str]]) -> dict[str, object]:
    """Compute every kappa of one table elsewhere."""
    cohen = {}
    for one, other in combinations(range(len(rows[0])), 2):
        both = [(row[one], row[other]) for row in rows if row[one] and row[other]]
        if both:
            a, b = zip(*both, strict=True)
            cohen[f"{one},{other}"] = float(cohen_kappa_score(a, b))
    compared = [row for row in rows if sum(map(bool, row)) >= 2]
    if all(all(row) for row in compared):
        by = "statsmodels"
        fleiss = float(fleiss_kappa(aggregate_raters(np.array(compared))[0]))
    else:
        by = "irrCAC"
        frame = pd.DataFrame(compared).replace("", np.nan)
        fleiss = float(CAC(frame, digits=15).fleiss()["est"]["coefficient_value"])
    return {"rows": rows, "cohen": cohen, "fleiss": fleiss, "fleiss_by": by}


def main() -> None:
    """Write the file."""
    cases = {
        "two reviewers, everything": table(40, 2, 0.0, 1),
        "three reviewers, everything": table(60, 3, 0.0, 2),
        "three reviewers, overlapping": table(80, 3, 0.4, 3),
        "five reviewers, few in common": table(120, 5, 0.6, 4),
        "yes and no alone": [["yes", "yes"], ["yes", "no"], ["no", "no"], ["no", "yes"]] * 3
        + [["yes", "yes"]] * 4,
    }
    text = json.dumps({name: golden(rows) for name, rows in cases.items()})
    OUT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
