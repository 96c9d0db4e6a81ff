"""The two calls about exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.sandbox.answer import Answer, Refusal, json_answer
from tests.sandbox.contact import Columns
from tests.sandbox.pages import Parameters, refuse_future, span
from tests.sandbox.wall_time import iso_utc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.sandbox.jobs import Job
    from tests.sandbox.options import Options
    from tests.sandbox.sandbox import Sandbox

_MESSAGES = {
    "queued": "The export is queued.",
    "processing": "The export is being prepared.",
}


def answer_create(sandbox: Sandbox, body: Mapping[str, Any]) -> Answer:
    options = sandbox.options
    parameters = Parameters(body)
    window = parameters.window()
    tokens = parameters.flag("include_comet_tokens")
    emails = options.export_emails and parameters.flag("include_all_emails")
    parameters.check()
    refuse_future(sandbox, window, "create")
    _refuse_while_busy(sandbox, options)
    start, end = span(window, options)
    _refuse_too_many(sandbox, start, end, options)
    columns = Columns(options.export_created_at or options.created_at, tokens, emails)
    job = sandbox.jobs.create(start, end, columns, options)
    message = "The export is queued. Poll its id until it is completed."
    payload = {"export_id": job.id, "status": "queued", "message": message}
    return json_answer(options.create_status, payload)


def answer_poll(sandbox: Sandbox, export_id: str) -> Answer:
    job = sandbox.jobs.get(int(export_id)) if export_id.isdecimal() else None
    if job is None:
        raise Refusal(404, "Export not found.")
    now = sandbox.now()
    status = job.status(now)
    payload: dict[str, Any] = {
        "export_id": job.id,
        "status": status,
        "created_at": iso_utc(job.created),
    }
    if status == "completed":
        payload |= _download(sandbox, job, now)
    else:
        payload["message"] = job.failure if status == "failed" else _MESSAGES[status]
    return json_answer(200, payload)


def _download(sandbox: Sandbox, job: Job, now: float) -> dict[str, Any]:
    lifetime = sandbox.options.url_lifetime
    signed = sandbox.presigned.sign(f"/exports/{job.id}.ndjson.gz", now, lifetime)
    return {
        "completed_at": iso_utc(job.ends),
        "download_url": sandbox.store_url + signed,
        "expires_at": iso_utc(now + lifetime),
    }


def _refuse_while_busy(sandbox: Sandbox, options: Options) -> None:
    most = options.max_running_exports
    if most is not None and sandbox.jobs.running() >= most:
        raise Refusal(options.busy_status, "An export is already in progress.")


def _refuse_too_many(sandbox: Sandbox, start: int, end: int, options: Options) -> None:
    most = options.max_export_contacts
    if most is None or options.export_refusal != "422":
        return
    if sandbox.space.select(start, end).count() > most:
        message = f"The date range holds more than {most} contacts."
        raise Refusal(422, message, errors={"end_date": [message]})
