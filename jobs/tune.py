"""Tune meta-training on Ray Tune and publish an ensemble of the best trials.

    python -m jobs.tune micro --store runs/micro

Asynchronous successive halving over episodes; trials are proposed by Optuna's TPE. The objective
is the mean Spearman over validation teachers; that of the size residual is reported beside it.
The same line goes on with an interrupted search.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file

from cluster.metrics import BEST, EPISODES, TUNE_FAILED, TUNED, counter, gauge
from cluster.progress import Progress
from cluster.session import connect
from dass.errors import InvalidConfig
from dass.predictor.ensemble import Ensemble
from dass.predictor.meta import fit, rank_correlation
from dass.predictor.network import Predictor
from dass.predictor.ranking import size_residual, spearman
from dass.registry import run_status
from dass.registry.registry import Registry
from dass.space.spaces import by_name
from dass.store.store import Store
from jobs import console
from jobs.configs.train import TrainConfig
from jobs.configs.tune import TuneConfig
from jobs.planning import trials_page
from jobs.planning.labels import Measured, episodes_of, gather
from jobs.planning.trials_page import GOAL, Tried, ranked
from jobs.status import Snapshot
from jobs.train import finished, following, fresh, validation_table

WEIGHTS = "weights.safetensors"


def settings_of(config: TrainConfig, chosen: Mapping[str, Any]) -> TrainConfig:
    """Return the training that a trial's choices ask for."""
    meta = replace(
        config.meta,
        learning_rate=chosen["learning_rate"],
        listwise_weight=chosen["listwise_weight"],
        weight_decay=chosen["weight_decay"],
    )
    shape = replace(config.shape, scale=chosen["scale"])
    return replace(config, shape=shape, meta=meta)


def residual_correlation(predictor: Predictor, measured: Sequence[Measured]) -> float:
    """Return the mean Spearman of what a line in log FLOPs leaves unexplained on both sides."""
    values = []
    for m in measured:
        flops = np.array([float(record.flops) for record in m.records])
        predicted = predictor.predict_episode(m.episode).double().cpu().numpy()
        truth = m.episode.accuracies.double().cpu().numpy()
        values.append(spearman(size_residual(predicted, flops), size_residual(truth, flops)))
    return float(np.mean(values))


@dataclass(frozen=True, slots=True)
class Trial:
    """Meta-trains one predictor and reports every validation; keeps the weights of the best."""

    config: TrainConfig
    recipe: str

    def __call__(self, chosen: Mapping[str, Any], data: Any) -> None:
        """Run in a Tune worker."""
        try:
            self._fit(chosen, data)
        except Exception:
            counter(TUNE_FAILED)(1)
            raise

    def _fit(self, chosen: Mapping[str, Any], data: Any) -> None:
        from ray import tune

        config = settings_of(self.config, chosen)
        episodes, validation = episodes_of(data)
        predictor = fresh(config, self.recipe, episodes, seed=config.meta.seed)
        advance, show_best, seen = counter(EPISODES), gauge(BEST), 0
        spend, since = counter(TUNED), time.monotonic()
        for step in fit(predictor, episodes, validation, config=config.meta):
            if step.validation is None:
                continue
            advance(step.number - seen)
            seen, now = step.number, time.monotonic()
            spend(now - since)
            since = now
            if step.best is not None:
                show_best(step.best)
            values = {"episodes": step.number, "loss": step.loss, GOAL: step.best}
            if step.validation != step.best:
                tune.report(values)
                continue
            values["residual"] = residual_correlation(predictor, data["validation"])
            with tempfile.TemporaryDirectory() as folder:
                save_file(dict(predictor.state_dict()), Path(folder) / WEIGHTS)
                tune.report(values, checkpoint=tune.Checkpoint.from_directory(folder))


def search(config: TuneConfig, recipe: str, data: Any) -> Any:
    """Run the trials, or those that an interrupted search left; return Tune's results."""
    from ray import tune

    files, path = Store(config.train.store).arrow("tuning")
    trial = tune.with_resources(
        tune.with_parameters(Trial(config.train, recipe).__call__, data=data),
        {"CPU": config.cpus_per_trial},
    )
    where = f"{path}/{config.name}"
    if tune.Tuner.can_restore(where, storage_filesystem=files):
        return tune.Tuner.restore(
            where,
            trial,
            storage_filesystem=files,
            resume_unfinished=True,
            restart_errored=True,
        ).fit()
    return tune.Tuner(
        trial,
        param_space={
            "scale": tune.choice(list(config.scales)),
            "listwise_weight": tune.choice(list(config.listwise_weights)),
            "weight_decay": tune.choice(list(config.weight_decays)),
            "learning_rate": tune.loguniform(*config.learning_rates),
        },
        tune_config=_strategy(config),
        run_config=tune.RunConfig(
            name=config.name,
            storage_path=path,
            storage_filesystem=files,
            checkpoint_config=tune.CheckpointConfig(
                num_to_keep=1, checkpoint_score_attribute=GOAL
            ),
            callbacks=[_watch(config)],
            verbose=0,
        ),
    ).fit()


def _watch(config: TuneConfig) -> Any:
    """Return what leaves snapshots of the trials in the store; plain values, since Tune keeps it.

    A restored search has it still.
    """
    from ray import tune

    class Watch(tune.Callback):
        snapshot: Snapshot | None = None

        def on_step_begin(self, iteration: int, trials: Any, **info: Any) -> None:
            if self.snapshot is None:
                unit, share = "core", float(config.cpus_per_trial)
                store = Store(config.train.store)
                self.before_s = busy_s(trials)
                former = run_status.read(store, "tune") if self.before_s else None
                self.began = time.monotonic() - (former["seconds"] if former else 0.0)
                self.snapshot = Snapshot(store, unit=unit, share=share, kind="tune")

        def on_step_end(self, iteration: int, trials: Any, **info: Any) -> None:
            self.on_step_begin(iteration, trials)
            assert self.snapshot is not None, "it was just made"
            found = progress_of(trials, total=config.trials, began=self.began)
            # What an interrupted search had cost stands in its own snapshot.
            self.snapshot(replace(found, busy_s=max(0.0, found.busy_s - self.before_s)))

        def on_experiment_end(self, trials: Any, **info: Any) -> None:
            self.on_step_end(0, trials)
            assert self.snapshot is not None, "a step made it"
            with self.snapshot:
                pass  # which writes the last state

        def __getstate__(self) -> dict[str, Any]:
            return {}  # another process opens the store itself

    return Watch()


def progress_of(trials: Sequence[Any], *, total: int, began: float) -> Progress:
    """Return how far Tune's trials are, as jobs are counted."""
    states = Counter(trial.status for trial in trials)
    ended = states["TERMINATED"] + states["ERROR"]
    return Progress(
        total=total,
        done=states["TERMINATED"],
        failed=states["ERROR"],
        running=tuple(f"trial {trial.trial_id}" for trial in trials if trial.status == "RUNNING"),
        seconds=time.monotonic() - began,
        busy_s=busy_s(trials),
        fraction=ended / total,
    )


def busy_s(trials: Sequence[Any]) -> float:
    """Return the seconds that trials took in all, those before an interruption too."""
    return float(sum((trial.last_result or {}).get("time_total_s", 0.0) for trial in trials))


def _strategy(config: TuneConfig) -> Any:
    """Return Tune's settings: proposals by TPE, halved over episodes."""
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    episodes = config.train.meta.episodes
    return tune.TuneConfig(
        metric=GOAL,
        mode="max",
        num_samples=config.trials,
        scheduler=ASHAScheduler(
            time_attr="episodes",
            max_t=episodes,
            grace_period=max(config.train.meta.validate_every, episodes // config.reduction**2),
            reduction_factor=config.reduction,
        ),
        search_alg=OptunaSearch(seed=config.seed),
    )


def predictor_of(tried: Tried, config: TuneConfig, *, recipe: str, data: Any) -> Predictor:
    """Read a trial's best predictor."""
    settings = settings_of(config.train, tried.chosen)
    predictor = fresh(settings, recipe, episodes_of(data)[0], seed=settings.meta.seed)
    with tried.checkpoint.as_directory() as folder:
        predictor.load_state_dict(load_file(Path(folder) / WEIGHTS))
    return predictor


def tune_predictor(config: TuneConfig) -> tuple[Ensemble, dict[str, Any], str]:
    """Search, publish the best, and return the ensemble, its card and the page of trials."""
    started = time.perf_counter()
    train = config.train
    registry = Registry(Store(train.store))
    recipe, data = gather(registry, space=train.space, recipe=train.recipe, device=train.device)
    episodes_of(data)
    with connect():
        trials = ranked(search(config, recipe, data))
        if len(trials) < config.keep:
            raise InvalidConfig(
                f"`keep` trials must end with weights, but of {config.trials} only {len(trials)} "
                f"did and keep={config.keep}; the trials' own logs say why"
            )
        best = trials[: config.keep]
        members = [predictor_of(t, config, recipe=recipe, data=data) for t in best]
        ensemble = finished(train, data, members)
    table = validation_table(by_name(train.space), data, ensemble)
    _, validation = episodes_of(data)
    card = {
        "space": train.space,
        "recipe": recipe,
        "train_teachers": [m.name for m in data["train"]],
        "validation_teachers": [m.name for m in data["validation"]],
        "train_students": sum(len(m.records) for m in data["train"]),
        "members_validation_spearman": [rank_correlation(m, validation) for m in ensemble.members],
        "validation_spearman": table,
        "trials": len(trials),
        "chosen": [dict(t.chosen) for t in best],
        "seconds": time.perf_counter() - started,
    }
    registry.put_predictor(train.name, ensemble, card)
    store = Store(train.store)
    where = trials_page.publish(store, config.name, trials, validation=table)
    return ensemble, card, where


def main(config: TuneConfig) -> None:
    """Tune, then compare with the baselines on the validation teachers."""
    _, card, where = tune_predictor(config)
    rows = [[name, f"{value:+.3f}"] for name, value in card["validation_spearman"].items()]
    print(f"\n{card['trials']} trials; mean Spearman over the validation teachers (selected on)")
    print(console.table(["scorer", "Spearman"], rows))
    print(f"\ntrials: {where}")
    store = Store(config.train.store)
    console.keep(store, f"predictors/{config.train.name}/job.json", config)
    console.finish(
        store.url(f"predictors/{config.train.name}"),
        next_line=following(config.train),
    )


if __name__ == "__main__":
    from jobs.cli import run_module

    run_module(__file__)
