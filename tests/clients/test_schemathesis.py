"""Schemathesis against every operation of /openapi.json: no 5xx, and nothing that the document does not say.

Requests come from the schemas, valid ones and ones with a single thing wrong, the same in every run.
"""

import json
import os

import schemathesis
from hypothesis import settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

EXAMPLES = 10  # of each operation, besides those that cover the constraints of its schema
# What the tasks are called, or how many tokens the encoder reads, differs by bundle and is not in the schemas, so what
# fits them may still be refused.
EXCLUDED = [positive_data_acceptance]
NAMES = {"model": "bundle", "version": "1"}


@schemathesis.serializer("application/x-ndjson")
def write_lines(_context, value):
    """A string as it is, so that most lines are no JSON; another value as a line of JSON."""
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "surrogatepass")


schema = schemathesis.openapi.from_url(f"{os.environ['MTL_TEST_URL']}/openapi.json", config=schemathesis.Config(seed=1))
# 504 is the answer to the header X-Request-Timeout alone: without it a call here ends before the server's own deadline.
schema.config.checks.not_a_server_error.expected_statuses = ["2xx", "3xx", "4xx", "504"]
run = settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)


@schema.parametrize()
@run
def test_an_operation_is_as_the_document_says(case):
    case.call_and_validate(excluded_checks=EXCLUDED, timeout=20)


@schema.include(path_regex="{").parametrize()
@run
def test_an_operation_on_a_model_that_there_is_is_so_too(case):
    case.path_parameters.update({name: value for name, value in NAMES.items() if name in case.path_parameters})
    case.call_and_validate(excluded_checks=EXCLUDED, timeout=20)
