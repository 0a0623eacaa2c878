"""The messages of `dass.proto`, for type checkers.

Written by `python -m grpc_tools.protoc -I . --pyi_out=. serve/dass.proto`, formatted by ruff.
"""

from collections.abc import Iterable as _Iterable
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar

from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from google.protobuf.internal import containers as _containers

DESCRIPTOR: _descriptor.FileDescriptor

class ListTeachersRequest(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: bool | None = ...) -> None: ...

class SpaceRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PredictorRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LatencyTablesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RunsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class JobsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TeacherName(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: str | None = ...) -> None: ...

class Registration(_message.Message):
    __slots__ = (
        "accuracy",
        "class_names",
        "classes",
        "dataset",
        "name",
        "note",
        "path",
        "space",
        "weights",
    )
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAMES_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    name: str
    space: str
    classes: int
    accuracy: float
    weights: bytes
    path: str
    dataset: str
    class_names: _containers.RepeatedScalarFieldContainer[str]
    note: str
    def __init__(
        self,
        name: str | None = ...,
        space: str | None = ...,
        classes: int | None = ...,
        accuracy: float | None = ...,
        weights: bytes | None = ...,
        path: str | None = ...,
        dataset: str | None = ...,
        class_names: _Iterable[str] | None = ...,
        note: str | None = ...,
    ) -> None: ...

class Teacher(_message.Message):
    __slots__ = (
        "accuracy",
        "class_names",
        "classes",
        "created",
        "dataset",
        "deleted",
        "flops",
        "name",
        "note",
        "parameters",
        "smallest_flops",
        "smallest_parameters",
        "space",
    )
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    FLOPS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    SMALLEST_FLOPS_FIELD_NUMBER: _ClassVar[int]
    SMALLEST_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAMES_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    name: str
    space: str
    classes: int
    accuracy: float
    flops: int
    parameters: int
    smallest_flops: int
    smallest_parameters: int
    dataset: str
    class_names: _containers.RepeatedScalarFieldContainer[str]
    note: str
    created: str
    deleted: str
    def __init__(
        self,
        name: str | None = ...,
        space: str | None = ...,
        classes: int | None = ...,
        accuracy: float | None = ...,
        flops: int | None = ...,
        parameters: int | None = ...,
        smallest_flops: int | None = ...,
        smallest_parameters: int | None = ...,
        dataset: str | None = ...,
        class_names: _Iterable[str] | None = ...,
        note: str | None = ...,
        created: str | None = ...,
        deleted: str | None = ...,
    ) -> None: ...

class TeacherList(_message.Message):
    __slots__ = ("teachers",)
    TEACHERS_FIELD_NUMBER: _ClassVar[int]
    teachers: _containers.RepeatedCompositeFieldContainer[Teacher]
    def __init__(self, teachers: _Iterable[Teacher | _Mapping] | None = ...) -> None: ...

class Support(_message.Message):
    __slots__ = ("architecture", "epochs", "validation_accuracy")
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    architecture: str
    validation_accuracy: float
    epochs: int
    def __init__(
        self,
        architecture: str | None = ...,
        validation_accuracy: float | None = ...,
        epochs: int | None = ...,
    ) -> None: ...

class MeasuredStudent(_message.Message):
    __slots__ = ("accuracy", "architecture", "epochs")
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    architecture: str
    accuracy: float
    epochs: int
    def __init__(
        self,
        architecture: str | None = ...,
        accuracy: float | None = ...,
        epochs: int | None = ...,
    ) -> None: ...

class StudentList(_message.Message):
    __slots__ = ("students",)
    STUDENTS_FIELD_NUMBER: _ClassVar[int]
    students: _containers.RepeatedCompositeFieldContainer[MeasuredStudent]
    def __init__(self, students: _Iterable[MeasuredStudent | _Mapping] | None = ...) -> None: ...

class AddStudentsRequest(_message.Message):
    __slots__ = ("students", "teacher")
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    STUDENTS_FIELD_NUMBER: _ClassVar[int]
    teacher: str
    students: _containers.RepeatedCompositeFieldContainer[MeasuredStudent]
    def __init__(
        self,
        teacher: str | None = ...,
        students: _Iterable[MeasuredStudent | _Mapping] | None = ...,
    ) -> None: ...

class StudentId(_message.Message):
    __slots__ = ("architecture", "teacher")
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    teacher: str
    architecture: str
    def __init__(self, teacher: str | None = ..., architecture: str | None = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = (
        "algorithm",
        "batch",
        "candidates",
        "k",
        "latency_table",
        "max_flops",
        "max_flops_share",
        "max_latency_ms",
        "max_parameters",
        "precision",
        "seed",
        "support",
        "teacher",
    )
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    MAX_FLOPS_FIELD_NUMBER: _ClassVar[int]
    MAX_FLOPS_SHARE_FIELD_NUMBER: _ClassVar[int]
    MAX_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    MAX_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_TABLE_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    teacher: str
    max_flops: int
    max_flops_share: float
    max_parameters: int
    candidates: int
    k: int
    algorithm: str
    seed: int
    support: _containers.RepeatedCompositeFieldContainer[Support]
    max_latency_ms: float
    latency_table: str
    precision: str
    batch: int
    def __init__(
        self,
        teacher: str | None = ...,
        max_flops: int | None = ...,
        max_flops_share: float | None = ...,
        max_parameters: int | None = ...,
        candidates: int | None = ...,
        k: int | None = ...,
        algorithm: str | None = ...,
        seed: int | None = ...,
        support: _Iterable[Support | _Mapping] | None = ...,
        max_latency_ms: float | None = ...,
        latency_table: str | None = ...,
        precision: str | None = ...,
        batch: int | None = ...,
    ) -> None: ...

class Prediction(_message.Message):
    __slots__ = ("accuracy", "architecture", "flops", "milliseconds", "parameters", "uncertainty")
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    UNCERTAINTY_FIELD_NUMBER: _ClassVar[int]
    FLOPS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    architecture: str
    accuracy: float
    uncertainty: float
    flops: int
    parameters: int
    milliseconds: float
    def __init__(
        self,
        architecture: str | None = ...,
        accuracy: float | None = ...,
        uncertainty: float | None = ...,
        flops: int | None = ...,
        parameters: int | None = ...,
        milliseconds: float | None = ...,
    ) -> None: ...

class SearchReply(_message.Message):
    __slots__ = (
        "by_size",
        "candidates",
        "done",
        "out_of_distribution",
        "pareto",
        "scored",
        "seconds",
        "teacher",
        "top",
    )
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    SCORED_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    PARETO_FIELD_NUMBER: _ClassVar[int]
    BY_SIZE_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_DISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    teacher: str
    done: bool
    scored: int
    candidates: int
    seconds: float
    top: _containers.RepeatedCompositeFieldContainer[Prediction]
    pareto: _containers.RepeatedCompositeFieldContainer[Prediction]
    by_size: bool
    out_of_distribution: bool
    def __init__(
        self,
        teacher: str | None = ...,
        done: bool | None = ...,
        scored: int | None = ...,
        candidates: int | None = ...,
        seconds: float | None = ...,
        top: _Iterable[Prediction | _Mapping] | None = ...,
        pareto: _Iterable[Prediction | _Mapping] | None = ...,
        by_size: bool | None = ...,
        out_of_distribution: bool | None = ...,
    ) -> None: ...

class SearchId(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: str | None = ...) -> None: ...

class ListSearchesRequest(_message.Message):
    __slots__ = ("after", "limit")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    limit: int
    after: str
    def __init__(self, limit: int | None = ..., after: str | None = ...) -> None: ...

class SearchProgress(_message.Message):
    __slots__ = ("candidates", "scored", "seconds")
    SCORED_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    scored: int
    candidates: int
    seconds: float
    def __init__(
        self, scored: int | None = ..., candidates: int | None = ..., seconds: float | None = ...
    ) -> None: ...

class SearchSummary(_message.Message):
    __slots__ = ("created", "id", "request", "state", "teacher")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: str
    created: str
    teacher: str
    request: SearchRequest
    def __init__(
        self,
        id: str | None = ...,
        state: str | None = ...,
        created: str | None = ...,
        teacher: str | None = ...,
        request: SearchRequest | _Mapping | None = ...,
    ) -> None: ...

class SearchList(_message.Message):
    __slots__ = ("next", "searches")
    SEARCHES_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    searches: _containers.RepeatedCompositeFieldContainer[SearchSummary]
    next: str
    def __init__(
        self, searches: _Iterable[SearchSummary | _Mapping] | None = ..., next: str | None = ...
    ) -> None: ...

class Problem(_message.Message):
    __slots__ = ("code", "field", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    field: str
    def __init__(
        self, code: str | None = ..., message: str | None = ..., field: str | None = ...
    ) -> None: ...

class StoredSearch(_message.Message):
    __slots__ = ("created", "error", "id", "progress", "request", "result", "state")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: str
    created: str
    request: SearchRequest
    progress: SearchProgress
    result: SearchReply
    error: Problem
    def __init__(
        self,
        id: str | None = ...,
        state: str | None = ...,
        created: str | None = ...,
        request: SearchRequest | _Mapping | None = ...,
        progress: SearchProgress | _Mapping | None = ...,
        result: SearchReply | _Mapping | None = ...,
        error: Problem | _Mapping | None = ...,
    ) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("architectures", "support", "teacher")
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURES_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    teacher: str
    architectures: _containers.RepeatedScalarFieldContainer[str]
    support: _containers.RepeatedCompositeFieldContainer[Support]
    def __init__(
        self,
        teacher: str | None = ...,
        architectures: _Iterable[str] | None = ...,
        support: _Iterable[Support | _Mapping] | None = ...,
    ) -> None: ...

class ScoreReply(_message.Message):
    __slots__ = ("predictions",)
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[Prediction]
    def __init__(self, predictions: _Iterable[Prediction | _Mapping] | None = ...) -> None: ...

class LatencyTableName(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: str | None = ...) -> None: ...

class PutLatencyTableRequest(_message.Message):
    __slots__ = ("name", "table")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    table: bytes
    def __init__(self, name: str | None = ..., table: bytes | None = ...) -> None: ...

class LatencyPrices(_message.Message):
    __slots__ = ("batch", "fastest_ms", "median_error", "p95_error", "precision", "slowest_ms")
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    FASTEST_MS_FIELD_NUMBER: _ClassVar[int]
    SLOWEST_MS_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_ERROR_FIELD_NUMBER: _ClassVar[int]
    P95_ERROR_FIELD_NUMBER: _ClassVar[int]
    precision: str
    batch: int
    fastest_ms: float
    slowest_ms: float
    median_error: float
    p95_error: float
    def __init__(
        self,
        precision: str | None = ...,
        batch: int | None = ...,
        fastest_ms: float | None = ...,
        slowest_ms: float | None = ...,
        median_error: float | None = ...,
        p95_error: float | None = ...,
    ) -> None: ...

class LatencyTable(_message.Message):
    __slots__ = ("classes", "cpu", "device", "name", "onnxruntime", "prices", "space")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    CPU_FIELD_NUMBER: _ClassVar[int]
    ONNXRUNTIME_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    PRICES_FIELD_NUMBER: _ClassVar[int]
    name: str
    device: str
    cpu: str
    onnxruntime: str
    space: str
    classes: int
    prices: _containers.RepeatedCompositeFieldContainer[LatencyPrices]
    def __init__(
        self,
        name: str | None = ...,
        device: str | None = ...,
        cpu: str | None = ...,
        onnxruntime: str | None = ...,
        space: str | None = ...,
        classes: int | None = ...,
        prices: _Iterable[LatencyPrices | _Mapping] | None = ...,
    ) -> None: ...

class LatencyTableList(_message.Message):
    __slots__ = ("tables",)
    TABLES_FIELD_NUMBER: _ClassVar[int]
    tables: _containers.RepeatedCompositeFieldContainer[LatencyTable]
    def __init__(self, tables: _Iterable[LatencyTable | _Mapping] | None = ...) -> None: ...

class RunCost(_message.Message):
    __slots__ = ("hours", "unit")
    UNIT_FIELD_NUMBER: _ClassVar[int]
    HOURS_FIELD_NUMBER: _ClassVar[int]
    unit: str
    hours: float
    def __init__(self, unit: str | None = ..., hours: float | None = ...) -> None: ...

class Run(_message.Message):
    __slots__ = (
        "age_seconds",
        "cost",
        "done",
        "failed",
        "fraction",
        "kind",
        "line",
        "lost",
        "retried",
        "running",
        "seconds",
        "state",
        "total",
    )
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    RETRIED_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    kind: str
    state: str
    line: str
    total: int
    done: int
    failed: int
    retried: int
    lost: int
    fraction: float
    running: _containers.RepeatedScalarFieldContainer[str]
    seconds: float
    age_seconds: float
    cost: _containers.RepeatedCompositeFieldContainer[RunCost]
    def __init__(
        self,
        kind: str | None = ...,
        state: str | None = ...,
        line: str | None = ...,
        total: int | None = ...,
        done: int | None = ...,
        failed: int | None = ...,
        retried: int | None = ...,
        lost: int | None = ...,
        fraction: float | None = ...,
        running: _Iterable[str] | None = ...,
        seconds: float | None = ...,
        age_seconds: float | None = ...,
        cost: _Iterable[RunCost | _Mapping] | None = ...,
    ) -> None: ...

class RunFailure(_message.Message):
    __slots__ = ("attempts", "error", "label")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    label: str
    error: str
    attempts: int
    def __init__(
        self, label: str | None = ..., error: str | None = ..., attempts: int | None = ...
    ) -> None: ...

class TeacherCost(_message.Message):
    __slots__ = ("hours", "students", "teacher")
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    STUDENTS_FIELD_NUMBER: _ClassVar[int]
    HOURS_FIELD_NUMBER: _ClassVar[int]
    teacher: str
    students: int
    hours: float
    def __init__(
        self, teacher: str | None = ..., students: int | None = ..., hours: float | None = ...
    ) -> None: ...

class RunList(_message.Message):
    __slots__ = ("failures", "records", "runs", "teachers")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    TEACHERS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    failures: _containers.RepeatedCompositeFieldContainer[RunFailure]
    teachers: _containers.RepeatedCompositeFieldContainer[TeacherCost]
    records: int
    def __init__(
        self,
        runs: _Iterable[Run | _Mapping] | None = ...,
        failures: _Iterable[RunFailure | _Mapping] | None = ...,
        teachers: _Iterable[TeacherCost | _Mapping] | None = ...,
        records: int | None = ...,
    ) -> None: ...

class JobRequest(_message.Message):
    __slots__ = (
        "batch",
        "data",
        "kind",
        "latency_table",
        "max_flops_share",
        "max_latency_ms",
        "max_parameters",
        "minutes",
        "precision",
        "search",
        "seed",
        "teacher",
    )
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEACHER_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    MAX_FLOPS_SHARE_FIELD_NUMBER: _ClassVar[int]
    MAX_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    MAX_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_TABLE_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    MINUTES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    kind: str
    teacher: str
    search: str
    data: str
    max_flops_share: float
    max_parameters: int
    max_latency_ms: float
    latency_table: str
    precision: str
    batch: int
    minutes: float
    seed: int
    def __init__(
        self,
        kind: str | None = ...,
        teacher: str | None = ...,
        search: str | None = ...,
        data: str | None = ...,
        max_flops_share: float | None = ...,
        max_parameters: int | None = ...,
        max_latency_ms: float | None = ...,
        latency_table: str | None = ...,
        precision: str | None = ...,
        batch: int | None = ...,
        minutes: float | None = ...,
        seed: int | None = ...,
    ) -> None: ...

class JobName(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: str | None = ...) -> None: ...

class JobFile(_message.Message):
    __slots__ = ("bytes", "name")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    bytes: int
    def __init__(self, name: str | None = ..., bytes: int | None = ...) -> None: ...

class JobFileName(_message.Message):
    __slots__ = ("id", "name")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    def __init__(self, id: str | None = ..., name: str | None = ...) -> None: ...

class JobFileContent(_message.Message):
    __slots__ = ("content",)
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    def __init__(self, content: bytes | None = ...) -> None: ...

class JobSummary(_message.Message):
    __slots__ = ("created", "id", "request", "seconds", "state")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: str
    created: str
    request: JobRequest
    seconds: float
    def __init__(
        self,
        id: str | None = ...,
        state: str | None = ...,
        created: str | None = ...,
        request: JobRequest | _Mapping | None = ...,
        seconds: float | None = ...,
    ) -> None: ...

class JobList(_message.Message):
    __slots__ = ("at_once", "data", "jobs")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    AT_ONCE_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[JobSummary]
    data: _containers.RepeatedScalarFieldContainer[str]
    at_once: int
    def __init__(
        self,
        jobs: _Iterable[JobSummary | _Mapping] | None = ...,
        data: _Iterable[str] | None = ...,
        at_once: int | None = ...,
    ) -> None: ...

class Job(_message.Message):
    __slots__ = ("created", "error", "files", "id", "lines", "request", "seconds", "state")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: str
    created: str
    request: JobRequest
    seconds: float
    lines: _containers.RepeatedScalarFieldContainer[str]
    files: _containers.RepeatedCompositeFieldContainer[JobFile]
    error: Problem
    def __init__(
        self,
        id: str | None = ...,
        state: str | None = ...,
        created: str | None = ...,
        request: JobRequest | _Mapping | None = ...,
        seconds: float | None = ...,
        lines: _Iterable[str] | None = ...,
        files: _Iterable[JobFile | _Mapping] | None = ...,
        error: Problem | _Mapping | None = ...,
    ) -> None: ...

class Stage(_message.Message):
    __slots__ = ("options", "stride")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    STRIDE_FIELD_NUMBER: _ClassVar[int]
    options: _containers.RepeatedScalarFieldContainer[int]
    stride: int
    def __init__(self, options: _Iterable[int] | None = ..., stride: int | None = ...) -> None: ...

class Space(_message.Message):
    __slots__ = ("depth", "image_size", "largest", "name", "smallest", "stages")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    IMAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    LARGEST_FIELD_NUMBER: _ClassVar[int]
    SMALLEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    stages: _containers.RepeatedCompositeFieldContainer[Stage]
    depth: int
    image_size: int
    largest: str
    smallest: str
    def __init__(
        self,
        name: str | None = ...,
        stages: _Iterable[Stage | _Mapping] | None = ...,
        depth: int | None = ...,
        image_size: int | None = ...,
        largest: str | None = ...,
        smallest: str | None = ...,
    ) -> None: ...

class Limit(_message.Message):
    __slots__ = ("most", "name")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    name: str
    most: float
    def __init__(self, name: str | None = ..., most: float | None = ...) -> None: ...

class Predictor(_message.Message):
    __slots__ = ("card", "limits", "members", "recipe", "space")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    space: str
    recipe: str
    members: int
    card: str
    limits: _containers.RepeatedCompositeFieldContainer[Limit]
    def __init__(
        self,
        space: str | None = ...,
        recipe: str | None = ...,
        members: int | None = ...,
        card: str | None = ...,
        limits: _Iterable[Limit | _Mapping] | None = ...,
    ) -> None: ...
