"""Who does what in which order: the lanes that run side by side, and the chapters they are told in."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from api.cli.demo.breast_cancer import better_version, careless_version, first_version
from api.cli.demo.catalogue import BREAST_CANCER, DIABETES, Registered, register
from api.cli.demo.client import Caller, PlatformGone, Wire
from api.cli.demo.diabetes import progression
from api.cli.demo.journey import Journey
from api.cli.demo.lanes import Milestone, lane
from api.cli.demo.overview import VersionRow, version_rows
from api.cli.demo.people import DANA, EVERYBODY, OTTO, Cast, gather_cast
from api.cli.demo.prefect_runs import PrefectRuns
from api.cli.demo.proof import proofs
from api.cli.demo.story import Chapter, Story
from api.cli.demo.training import EXPERIMENTS, Experiment
from api.cli.demo.watching import watching

# Two lanes keep two cores busy; a third fills the gaps in which one of them waits for another.
SIDE_BY_SIDE = 3


@dataclass
class Demo:
    """Everything that one run needs. `versions` is filled at the end."""

    wire: Wire
    runs: PrefectRuns
    story: Story
    admin_token: str
    state_file: Path | None
    versions: list[VersionRow] = field(default_factory=list)

    def perform(self) -> None:
        """The whole story. Raises Broken when it could not begin, PlatformGone, Stopped."""
        opening = self.story.chapter("People, data and models")
        with ThreadPoolExecutor(max_workers=1) as pool:
            training = {name: pool.submit(train) for name, train in EXPERIMENTS.items()}
            cast = self._cast(opening)
            try:
                cancer, on_cancer = self._prepared(opening, cast, training, "breast-cancer")
                diabetes, on_diabetes = self._prepared(opening, cast, training, "diabetes")
                self._outsider(opening, cast, cancer)
            finally:
                opening.close()
        try:
            gone = self._lanes(cast, cancer, on_cancer, diabetes, on_diabetes)
            if gone is not None:
                raise gone
            with closing(self.story.chapter("Watched from then on")) as chapter:
                watching(chapter, cast[DANA].caller, cancer)
            with closing(self.story.chapter("What can be proved")) as chapter:
                proofs(chapter, cast, Caller(self.wire, "admin", self.admin_token), cancer)
            with self.story.chapter("What is there now").step("read the versions back", "two models") as step:
                caller = cast[DANA].caller
                self.versions = [row for model in (cancer, diabetes) for row in version_rows(caller, model)]
                step.went(f"{len(self.versions)} versions")
        finally:
            if not self.wire.stopping.is_set():
                cast.sign_out()

    def _cast(self, chapter: Chapter) -> Cast:
        with chapter.step("a developer, four approvers and an outsider sign in", "a token for each") as step:
            cast = gather_cast(self.wire, self.admin_token, self.state_file)
            step.went(", ".join(f"{cast[person].title}" for person in EVERYBODY))
        return cast

    def _outsider(self, chapter: Chapter, cast: Cast, model: Registered) -> None:
        """What belongs to one group is not there for another one."""
        otto, path = cast[OTTO].caller, f"/api/v1/models/{model.id}"
        with chapter.step("somebody of another group looks for the model", "404, and an empty list") as step:
            answer, listed = otto.get(path), otto.get("/api/v1/models?group=demo").data
            step.went(f"{answer.summary}; {len(listed)} models", ok=answer.status == 404 and not listed)
        with chapter.step("an administrator asks why", "the policy that denies it") as step:
            admin = Caller(self.wire, "admin", self.admin_token)
            asked = f"permission=model:read&kind=model&id={model.id}&user={otto.name}"
            told = admin.get(f"/api/v1/access/explain?{asked}").data
            step.went(f"{', '.join(told['policies'])}: {told['reason']}", ok=not told["allowed"])

    def _prepared(
        self, chapter: Chapter, cast: Cast, training: dict[str, Future[Experiment]], name: str
    ) -> tuple[Registered, Experiment]:
        plan = {"breast-cancer": BREAST_CANCER, "diabetes": DIABETES}[name]
        with chapter.step(f"{plan.name}: train with scikit-learn, convert to ONNX", "models and a hold-out") as step:
            experiment = training[name].result()
            held_out = f"{experiment.examples} held-out examples as {experiment.format}"
            step.went(f"{len(experiment.models)} model(s), {held_out}")
        expected = "registered, with dataset and suite"
        with chapter.step(f"{plan.name}: model, dataset and evaluation suite", expected) as step:
            model = register(cast[DANA].caller, plan, experiment)
            limits = ", ".join(f"{metric} ≥ {limit:g}" for metric, limit in plan.thresholds.items())
            step.went(
                f"{'there already' if model.found else 'registered'}; risk tier {plan.risk_tier}; {limits}; "
                f"a successor may lose {plan.margin * 100:g} points at most; next version {model.next_major}.0.0"
            )
        return model, experiment

    def _lanes(
        self,
        cast: Cast,
        cancer: Registered,
        on_cancer: Experiment,
        diabetes: Registered,
        on_diabetes: Experiment,
    ) -> PlatformGone | None:
        name, major = BREAST_CANCER.name, cancer.next_major
        titles = (
            f"{name} {major}.0.0 goes from draft to production",
            f"{name} {major + 1}.0.0 was trained badly, and is refused",
            f"{name} {major + 2}.0.0 is better, takes over, and is rolled back",
            f"{DIABETES.name} {diabetes.next_major}.0.0 is changed after the approval, and approved again",
        )
        chapters = [self.story.chapter(title) for title in titles]
        journeys = [
            Journey(cast, cancer, f"{major + offset}.0.0", chapter) for offset, chapter in enumerate(chapters[:3])
        ]
        other = Journey(cast, diabetes, f"{diabetes.next_major}.0.0", chapters[3])
        first, careless, better = journeys
        in_production = Milestone(f"{first.label} in production")
        careless_refused = Milestone(f"{careless.label} judged")
        works: tuple[tuple[Callable[[], None], list[Milestone]], ...] = (
            (partial(first_version, first, on_cancer, self.runs, in_production), [in_production]),
            (
                partial(careless_version, careless, on_cancer, in_production, careless_refused),
                [careless_refused],
            ),
            (partial(progression, other, on_diabetes), []),
            (partial(better_version, better, on_cancer, first, in_production, careless_refused), []),
        )
        in_order = (chapters[0], chapters[1], chapters[3], chapters[2])
        # A lane waits only for lanes that stand before it, so that any number of threads gets to the end.
        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            lanes = [
                pool.submit(lane, work, chapter, milestones, self.wire.stopping.set)
                for (work, milestones), chapter in zip(works, in_order, strict=True)
            ]
            try:
                ended = [future.result() for future in lanes]
            except BaseException:  # a defect or Ctrl-C: let the other lanes end at once
                self.wire.stopping.set()
                raise
        return next((gone for gone in ended if gone is not None), None)
