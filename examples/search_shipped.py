"""Search a teacher's students within half of its FLOPs, with what the project ships.

    python examples/search_shipped.py

Nothing is trained and no image is read: seconds on one core.
"""

import dass

predictor, _ = dass.zoo.predictor()
name = next(name for name in dass.zoo.teachers() if "flowers5" in name)
teacher = dass.zoo.teacher(name)
budget = dass.Budget.of(teacher, flops=0.5)

answer = dass.search(predictor, teacher, budget, candidates=400, top=3)

print(f"teacher {name}: {100 * teacher.accuracy:.1f} % on validation images")
print(f"\nthe best of {answer.scored} candidates after distillation, by prediction:")
for student in answer.top:
    low, high = student.interval() or (0.0, 1.0)
    print(
        f"  {student.architecture!s:>32}  {student.flops / 1e6:5.2f} M FLOPs  "
        f"{100 * student.accuracy:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)"
    )

print("\nfrom the Pareto front: no cheaper candidate is predicted to be as good")
for student in answer.pareto[::4]:
    fraction = student.flops / teacher.flops
    bar = "#" * round(80 * fraction)
    print(f"  {100 * student.accuracy:.1f} %  {fraction:4.0%} of the FLOPs  {bar}")
