"""Validating or profiling one dataset, because somebody asked for it. A repeated run changes nothing."""

from __future__ import annotations

import asyncio

from prefect import flow, get_run_logger

from flows.data_validation.validator import carry_out_profile, carry_out_validation
from flows.runtime import platform
from governance.operations.data_validation import begin_profile, begin_validation, keep_profile, keep_validation
from storage.composition import Platform


@flow(name="validate-data", persist_result=False)
async def validate_data(validation_id: str) -> str:
    """Run the expectations of a dataset over its data. The status that it came to."""
    status = await asyncio.to_thread(run_validation, platform(), validation_id)
    get_run_logger().info("validation %s: %s", validation_id, status)
    return status


@flow(name="profile-data", persist_result=False)
async def profile_data(profile_id: str) -> str:
    """Draft expectations from the data of a dataset. The status that it came to."""
    status = await asyncio.to_thread(run_profile, platform(), profile_id)
    get_run_logger().info("profile %s: %s", profile_id, status)
    return status


def run_validation(parts: Platform, validation_id: str) -> str:
    validation, suite = begin_validation(parts.new_unit(), validation_id)
    if validation.status != "running":
        return validation.status
    found = carry_out_validation(parts, validation, suite)
    return keep_validation(parts.new_unit(), parts.system_call(found.correlation), found, asked=True).status


def run_profile(parts: Platform, profile_id: str) -> str:
    profile = begin_profile(parts.new_unit(), parts.system_call(), profile_id)
    if profile.status != "running":
        return profile.status
    drafted = carry_out_profile(parts, profile)
    keep_profile(parts.new_unit(), parts.system_call(), drafted)
    return drafted.status
