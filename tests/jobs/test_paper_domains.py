"""Labels in the published space: enough of them, and no sealed origin teaches."""

from dass.data.origins import SEALED, origin
from dass.data.rendered.catalogue import CATALOGUE
from dass.predictor.crossfit import folds_of
from jobs.planning.plan import plan_students, plan_teachers
from jobs.presets import paper_domains

BUILD = paper_domains.build()
TEACHERS = plan_teachers(BUILD)
GROUPS = {
    role: {origin(plan.task.source) for plan, own in TEACHERS if own == role}
    for role in ("train", "validation", "unseen")
}


def students(config):
    return plan_students(config, [plan for plan, _ in plan_teachers(config)])


def test_it_labels_eight_hundred_students_of_ten_tasks_or_more():
    labelled = {(one.teacher, str(one.architecture)) for one in students(BUILD)}
    assert BUILD.space == "paper" and len(TEACHERS) >= 10 and len(labelled) >= 800


def test_only_sealed_origins_are_tested_on_and_they_teach_nothing():
    assert set(SEALED) >= GROUPS["unseen"] and len(GROUPS["unseen"]) == 3
    assert not GROUPS["unseen"] & (GROUPS["train"] | GROUPS["validation"])
    for config in (paper_domains.train(), paper_domains.cross_validate().train):
        assert set(SEALED) <= set(config.without)


def test_the_predictor_hears_no_network_and_reads_every_label_that_is_not_sealed():
    train = paper_domains.train()
    assert not train.hear and set(train.roles) == set(GROUPS)
    assert train.recipe == BUILD.student.name and train.space == BUILD.space


def test_what_is_validated_on_is_of_origins_that_no_training_task_has():
    assert GROUPS["validation"] and not GROUPS["validation"] & GROUPS["train"]


def test_there_are_as_many_origins_as_folds_at_least():
    config = paper_domains.cross_validate().train
    named = [origin(plan.task.source) for plan, role in TEACHERS if role != "unseen"]
    folds = folds_of(named, config.folds)
    assert len(folds) == config.folds and len(set(named)) > len(folds)


def test_sealed_students_are_trained_twice_so_that_there_is_a_ceiling():
    for split in BUILD.splits:
        assert (split.labels.seeds == 2) == (split.role == "unseen")


def test_no_rendered_domain_needs_fonts_or_a_speaker():
    drawn = [s.task.source for s in BUILD.splits if s.task.source.startswith("rendered:")]
    assert len(drawn) == 9
    assert not any(CATALOGUE[source.removeprefix("rendered:")].needs for source in drawn)
