#!/usr/bin/env python3
"""Fits scikit-learn's logistic regression to all calls of the bank at once.

    tests/data/train/logistic.py ../shared/data/bank/bank_additional_dev.csv.gz

prints `rows=… log_loss=… constant_log_loss=…`: mean log-losses in nats, of the regression on the
rows that it was fitted to, and of always saying their rate. What a model that learns row by row is
compared with: it sees the same inputs, each row only after it has predicted it.
"""

import csv
import gzip
import sys

import numpy
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = [
    "age",
    "campaign",
    "pdays",
    "previous",
    "emp_var_rate",
    "cons_price_idx",
    "cons_conf_idx",
    "euribor3m",
    "nr_employed",
]
# Without `duration`, which is known after the call only.
CATEGORIES = [
    "job",
    "marital",
    "education",
    "default",
    "housing",
    "loan",
    "contact",
    "month",
    "day_of_week",
    "poutcome",
]
MOST_STEPS = 2000


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: logistic.py CSV")
    with gzip.open(sys.argv[1], "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    values = numpy.array(
        [[float(row[name]) for name in NUMBERS] + [row[name] for name in CATEGORIES] for row in rows],
        dtype=object,
    )
    labels = numpy.array([int(row["y"] == "yes") for row in rows])
    numbers = list(range(len(NUMBERS)))
    categories = list(range(len(NUMBERS), len(NUMBERS) + len(CATEGORIES)))
    model = make_pipeline(
        make_column_transformer((StandardScaler(), numbers), (OneHotEncoder(), categories)),
        LogisticRegression(max_iter=MOST_STEPS),
    )
    model.fit(values, labels)
    fitted = log_loss(labels, model.predict_proba(values)[:, 1])
    constant = log_loss(labels, numpy.full(len(labels), labels.mean()))
    print(f"rows={len(rows)} log_loss={fitted:.6f} constant_log_loss={constant:.6f}")


if __name__ == "__main__":
    main()
