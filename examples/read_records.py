"""Read the meta-dataset with pandas: how far does size alone order the students of a teacher?

    python examples/read_records.py

A record is one measured student in plain columns; `pandas.read_parquet("STORE/records")` reads
those of a store of your own.
"""

import dass
from dass.predictor.records import FIRST_CLOSED_LOOP_SEED

records = dass.zoo.records()
print(f"{len(records)} records of {records.teacher.nunique()} teachers")

distilled = records[
    records.recipe.str.startswith("kd")  # others were trained on labels alone
    & (records.seed < FIRST_CLOSED_LOOP_SEED)  # others are trainings of the closed loop
]
students = distilled.groupby(["task", "teacher", "architecture"], as_index=False)[
    ["flops", "parameters", "validation_accuracy"]
].mean()  # over seeds

print("\nSpearman of validation accuracy with")
orders = (
    students.groupby("teacher")[["flops", "parameters", "validation_accuracy"]]
    .corr(method="spearman")["validation_accuracy"]
    .unstack()
)
print(orders[["flops", "parameters"]].describe().loc[["min", "50%", "max"]].round(2))

spread = students.groupby("teacher").validation_accuracy.std().sort_values()
print(
    f"\nstudents of one teacher differ by {100 * spread.iloc[0]:.1f} to "
    f"{100 * spread.iloc[-1]:.1f} points (standard deviation)"
)
