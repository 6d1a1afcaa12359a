"""What is expected of datasets, and what validations found."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Body, Read

Severity = Literal["critical", "warning"]


class Expectation(Body):
    type: str = Field(
        description="A core expectation of Great Expectations that speaks of a table alone.",
        examples=["expect_column_values_to_not_be_null"],
    )
    arguments: dict[str, Any] = Field(
        alias="kwargs", description="Its arguments, by the library's names.", examples=[{"column": "age"}]
    )
    severity: Severity = Field(
        default="critical", description="critical: blocks what is judged on the data. warning: told, blocks nothing."
    )


class Source(Body):
    kind: Literal["artifact", "postgresql"] = Field(
        description="artifact: the content of the dataset. postgresql: a table, over a connection that workers know."
    )
    connection: str | None = Field(default=None, description="The name of a connection in the workers' settings.")
    schema_name: str | None = Field(default=None, alias="schema", description="Exactly as the database has it.")
    table: str | None = Field(default=None, description="Exactly as the database has it.")


class ExpectationsCreate(Body):
    expectations: list[Expectation] = Field(description="1 to 500.")
    source: Source | None = Field(default=None, description="What they are run over; the dataset's content if absent.")


class ExpectationRead(Read):
    type: str
    arguments: dict[str, Any] = Field(alias="kwargs")
    severity: Severity


class ExpectationsRead(Read):
    id: str
    dataset_id: str
    number: int = Field(description="Version: 1, 2, ... of the dataset.")
    expectations: list[ExpectationRead]
    source: dict[str, str]
    digest: str
    created_by: str
    created_at: str


class ProfileRead(Read):
    id: str
    dataset_id: str
    dataset_sha256: str
    status: Literal["queued", "running", "done", "error"]
    reason: str | None
    expectations: list[ExpectationRead] = Field(description="The draft; nothing is expected until it is posted.")
    rows: int | None
    created_at: str
    finished_at: str | None


class ValidationCreate(Body):
    number: int | None = Field(default=None, description="Version of the expectations; the newest if absent.")


class FailureRead(Read):
    number: int = Field(description="Place in the suite, from 1.")
    type: str
    severity: Severity
    arguments: dict[str, Any] = Field(alias="kwargs")
    columns: list[str]
    absent: bool = Field(description="The data have no such columns.")
    elements: int | None
    unexpected: int | None
    missing: int | None
    observed: Any = Field(description="The figure that was computed, of an expectation about a whole column or table.")
    examples: list[Any] = Field(description="A few unexpected values; none of a sensitive dataset.")
    sentence: str


class ValidationRead(Read):
    id: str
    dataset_id: str
    dataset_sha256: str
    number: int
    digest: str
    source: dict[str, str]
    status: Literal["queued", "running", "passed", "failed", "error"]
    reason: str | None
    checked: int = Field(description="How many expectations there are.")
    failures: list[FailureRead] = Field(description="What does not hold, warnings among them.")
    rows: int | None
    seconds: float | None
    correlation: str | None
    requested_by: str | None
    created_at: str
    executed_at: str | None
