#!/usr/bin/env python3
"""Trains a model with XGBoost on data that lie outside of the repository.

    tests/data/train/train.py telco ../shared/data/telco/telco_dev.csv OUT
    tests/data/train/train.py bank ../shared/data/bank/bank_additional_dev.csv.gz OUT

writes to the folder OUT

    model.json       as XGBoost saves it
    inputs.yaml      what stands under `inputs` of the strategy's model: the codes of categories
    customers.csv    the same rows for `attunectl import customers --id id`
    expected.csv     id, XGBoost's prediction, the label, and 1 for the rows that were held out

and prints how good the model is on the rows that were held out (three of ten, by a hash of the id).
Features have the names of the strategies in tests/data. Nothing is drawn at random.
"""

import csv
import gzip
import hashlib
import json
import math
import os
import sys

import numpy
import xgboost

NUMBER, BOOL, CATEGORY = "number", "bool", "category"

# Column of the file, feature of the strategy, kind. Neither the label nor, at the bank, `duration`
# is among them: both are known only afterwards.
TELCO = [
    ("Partner", "partner", BOOL),
    ("Dependents", "dependents", BOOL),
    ("tenure", "tenure_months", NUMBER),
    ("PhoneService", "phone_service", BOOL),
    ("MultipleLines", "multiple_lines", CATEGORY),
    ("InternetService", "internet_service", CATEGORY),
    ("OnlineSecurity", "online_security", CATEGORY),
    ("OnlineBackup", "online_backup", CATEGORY),
    ("DeviceProtection", "device_protection", CATEGORY),
    ("TechSupport", "tech_support", CATEGORY),
    ("StreamingTV", "streaming_tv", CATEGORY),
    ("StreamingMovies", "streaming_movies", CATEGORY),
    ("Contract", "contract", CATEGORY),
    ("PaperlessBilling", "paperless_billing", BOOL),
    ("PaymentMethod", "payment_method", CATEGORY),
    ("MonthlyCharges", "monthly_charges", NUMBER),
    ("TotalCharges", "total_charges", NUMBER),
]
BANK = [
    ("age", "age", NUMBER),
    ("job", "job", CATEGORY),
    ("marital", "marital", CATEGORY),
    ("education", "education", CATEGORY),
    ("default", "in_default", BOOL),
    ("housing", "has_housing_loan", BOOL),
    ("loan", "has_personal_loan", BOOL),
    ("contact", "contact_type", CATEGORY),
    ("month", "month", CATEGORY),
    ("day_of_week", "day_of_week", CATEGORY),
    ("campaign", "campaign_calls", NUMBER),
    ("pdays", "days_since_contact", NUMBER),
    ("previous", "previous_contacts", NUMBER),
    ("poutcome", "previous_outcome", CATEGORY),
    ("emp_var_rate", "emp_var_rate", NUMBER),
    ("cons_price_idx", "cons_price_idx", NUMBER),
    ("cons_conf_idx", "cons_conf_idx", NUMBER),
    ("euribor3m", "euribor3m", NUMBER),
    ("nr_employed", "nr_employed", NUMBER),
]
DATA_SETS = {
    "telco": {"id": "customerID", "label": "Churn", "columns": TELCO},
    "bank": {"id": "row", "label": "y", "columns": BANK},
}
YES = {"yes", "1", "true"}
NO = {"no", "0", "false"}
PARAMETERS = {
    "objective": "binary:logistic",
    "max_depth": 4,
    "eta": 0.1,
    "min_child_weight": 5,
    "tree_method": "hist",
    "nthread": 1,
    "seed": 1,
}
ROUNDS = 80


def read_rows(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def bool_of(text):
    """True, False, or None where it is not known."""
    word = text.strip().lower()
    return True if word in YES else False if word in NO else None


def codes_of(rows, columns):
    """The number of each category, by feature: categories in the order of the alphabet."""
    return {
        feature: {word: code for code, word in enumerate(sorted({row[column] for row in rows}))}
        for column, feature, kind in columns
        if kind == CATEGORY
    }


def encode(row, columns, codes):
    """The row as the model sees it, and as the import does."""
    values, cells = [], []
    for column, feature, kind in columns:
        text = row[column].strip()
        if kind == CATEGORY:
            values.append(float(codes[feature][row[column]]))
            cells.append(row[column])
        elif kind == BOOL:
            value = bool_of(text)
            values.append(math.nan if value is None else float(value))
            cells.append("" if value is None else str(value).lower())
        else:
            values.append(float(text) if text else math.nan)
            cells.append(text)
    return values, cells


def is_held_out(key):
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % 10 < 3


def area_under_curve(labels, scores):
    """The chance that a good row has a higher score than a bad one; ties count half."""
    order = numpy.argsort(scores, kind="stable")
    ranks = numpy.empty(len(scores))
    ranks[order] = numpy.arange(1, len(scores) + 1)
    for score in numpy.unique(scores):
        same = scores == score
        ranks[same] = ranks[same].mean()
    good = labels == 1
    wins = ranks[good].sum() - good.sum() * (good.sum() + 1) / 2
    return wins / (good.sum() * (~good).sum())


def report(labels, scores):
    clipped = numpy.clip(scores, 1e-15, 1 - 1e-15)
    log_loss = -numpy.mean(labels * numpy.log(clipped) + (1 - labels) * numpy.log(1 - clipped))
    print(
        f"held out: {len(labels)} rows, AUC {area_under_curve(labels, scores):.4f}, "
        f"Brier {numpy.mean((scores - labels) ** 2):.4f}, log loss {log_loss:.4f}"
    )
    print("decile  rows  predicted  happened")
    order = numpy.argsort(scores, kind="stable")
    for number, part in enumerate(numpy.array_split(order, 10), start=1):
        print(f"{number:6}{len(part):6}{scores[part].mean():11.4f}{labels[part].mean():10.4f}")


def write_csv(path, header, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_inputs(path, codes):
    """In YAML's flow style, which JSON is: one line for a strategy."""
    inputs = [
        {"feature": feature, "input": f"customer.{feature}", "codes": code_of}
        for feature, code_of in codes.items()
    ]
    with open(path, "w", encoding="utf-8") as file:
        file.write(json.dumps(inputs))


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in DATA_SETS:
        sys.exit("usage: train.py telco|bank CSV OUT")
    data, path, out = DATA_SETS[sys.argv[1]], sys.argv[2], sys.argv[3]
    columns = data["columns"]
    rows = read_rows(path)
    codes = codes_of(rows, columns)
    ids = [row[data["id"]] for row in rows]
    encoded = [encode(row, columns, codes) for row in rows]
    values = numpy.array([row for row, _ in encoded], dtype=numpy.float64)
    labels = numpy.array([float(bool_of(row[data["label"]])) for row in rows])
    held_out = numpy.array([is_held_out(key) for key in ids])
    names = [feature for _, feature, _ in columns]

    train = xgboost.DMatrix(values[~held_out], label=labels[~held_out], feature_names=names)
    booster = xgboost.train(PARAMETERS, train, num_boost_round=ROUNDS)
    scores = booster.predict(xgboost.DMatrix(values, feature_names=names))

    os.makedirs(out, exist_ok=True)
    booster.save_model(os.path.join(out, "model.json"))
    write_inputs(os.path.join(out, "inputs.yaml"), codes)
    write_csv(
        os.path.join(out, "customers.csv"),
        ["id"] + names,
        [[key] + cells for key, (_, cells) in zip(ids, encoded)],
    )
    write_csv(
        os.path.join(out, "expected.csv"),
        ["id", "prediction", "label", "held_out"],
        [
            [key, f"{score:.9g}", int(label), int(held)]
            for key, score, label, held in zip(ids, scores, labels, held_out)
        ],
    )
    print(f"{sys.argv[1]}: XGBoost {xgboost.__version__}, {len(rows)} rows, {len(names)} features")
    report(labels[held_out], scores[held_out].astype(numpy.float64))


if __name__ == "__main__":
    main()
