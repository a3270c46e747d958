"""Deploys template.yaml as samconfig.toml says, to an emulated AWS on this machine, uses it, updates it and deletes it:
`python run.py --emulator-python PYTHON --admin PATH/TO/shoptrail-admin --build-folder FOLDER`.

The functions are those that `cargo lambda build` has left in the target folder. It runs in an environment that has SAM
and cargo-lambda; PYTHON is that of another one, with the packages ministack and aws-sam-translator. Nothing leaves this
machine, and no AWS account is asked.
"""

import argparse
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import checks
import declared
import runbook
from aws import LOG_LINES, Emulator, pages
from expect import Failed, equal
from http_api import HttpApi
from routes import create_routes
from stack import Stack

ROOT = Path(__file__).resolve().parents[2]
# Some 90 s; the rest is for a busy machine.
RUN_SECONDS = 900
ADMIN_SECONDS = 60
# Of an answer that is not as expected this is enough to see what is wrong; SAM's whole output is some 10,000.
FAILURE_CHARS = 20_000
# What samconfig.toml does not say, and is said to make the outcome certain: the processor of the machine on which this
# runs, as .ci/run builds for, and nobody held out of popups.
PARAMETERS = {"Architecture": "x86_64", "HoldoutPercent": "0"}


class Report:
    """A line for each check, with its time."""

    def __init__(self):
        self.failures = 0
        self.count = 0

    def check(self, name, function, *arguments):
        begun = time.monotonic()
        try:
            detail = function(*arguments)
        except Exception as error:
            # Whatever it is: the checks behind it shall have their turn, and the emulator's log shall be shown.
            detail = f"\n    {type(error).__name__}: {str(error)[:FAILURE_CHARS]}"
            self.failures += 1
            ended = "FAIL"
        else:
            detail = f" ({detail})" if isinstance(detail, str) else ""
            ended = "ok"
        self.count += 1
        print(f"{ended:4} {time.monotonic() - begun:6.2f} s  {name}{detail}", flush=True)
        return ended == "ok"

    def step(self, name, function, *arguments):
        """A check without which nothing after it can be right."""
        if not self.check(name, function, *arguments):
            raise Failed(name)


def words(check):
    return check.__name__.replace("_", " ")


class Admin:
    """shoptrail-admin against the deployed tables, as its documentation says."""

    def __init__(self, program, emulator, stack):
        self.program = program.resolve()
        self.emulator = emulator
        self.place = [
            "--aws",
            "--table-prefix",
            stack.parameters["TablePrefix"],
            "--pepper-secret",
            stack.outputs()["HashPepperArn"],
        ]

    def run(self, *arguments):
        done = subprocess.run(
            [self.program, *arguments, *self.place],
            # In that folder, so that no .env of this one is read.
            cwd=self.emulator.folder,
            env=self.emulator.environment(),
            capture_output=True,
            text=True,
            timeout=ADMIN_SECONDS,
        )
        if done.returncode != 0:
            raise Failed(f"shoptrail-admin {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def create_key(self, name, stores, scopes):
        output = self.run("keys", "create", "--name", name, "--stores", stores, "--scopes", scopes)
        return output.strip().splitlines()[-1]


def deploy(stack, shopify_secret):
    secret = stack.emulator.client("secretsmanager").create_secret(Name="shopify", SecretString=shopify_secret)
    stack.deploy(**PARAMETERS, ShopifyApiSecretArn=secret["ARN"])
    return stack.name


def policies_count(emulator):
    """Else nothing that follows would show that a function has the permissions for what it does."""
    iam = emulator.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    dynamodb = emulator.client("dynamodb", keys)
    try:
        dynamodb.list_tables()
    except dynamodb.exceptions.ClientError as error:
        if "AccessDenied" in error.response["Error"]["Code"]:
            return None
        raise Failed(str(error)) from None
    raise Failed("a user without any policy may list the tables")


def update(stack, shop):
    """By parameters alone: one request a minute of a client, and events through the queue. What is stored must stay."""
    before = shop.events()
    stack.deploy(RateLimitPerMinute="1", WriteMode="queue", Release="2")
    equal("the API's id", create_routes(stack), shop.api.api_id)
    declared.resources_are_complete(stack)
    declared.settings_name_parameters(stack)
    declared.routes_are_as_declared(stack)
    equal("the events after the update", shop.events(), before)
    return f"{len(before)} events kept"


def delete(stack):
    """What is to be kept is kept, and everything else is gone."""
    resources = stack.template["Resources"]
    kept = {name for name in stack.resources if resources[name].get("DeletionPolicy") == "Retain"}
    stack_id = stack.describe()["StackId"]
    stack.delete()
    # The newest event of a resource comes first.
    ended = {}
    for event in pages(stack.cloudformation, "describe_stack_events", "StackEvents", StackName=stack_id):
        ended.setdefault(event["LogicalResourceId"], event["ResourceStatus"])
    wrong = {
        name: ended[name]
        for name in stack.resources
        if ended[name] != ("DELETE_SKIPPED" if name in kept else "DELETE_COMPLETE")
    }
    equal("what ended otherwise", wrong, {})
    functions = pages(stack.emulator.client("lambda"), "list_functions", "Functions")
    equal("functions", [function["FunctionName"] for function in functions], [])
    equal("APIs", pages(stack.emulator.client("apigatewayv2"), "get_apis", "Items"), [])
    return f"{len(stack.resources) - len(kept)} resources gone, {len(kept)} kept"


def delete_tables(stack):
    """They were kept, and are not protected in this environment."""
    dynamodb = stack.emulator.client("dynamodb")
    tables = [stack.physical(name) for name in stack.of_type("AWS::DynamoDB::Table")]
    equal("tables that were kept", sorted(pages(dynamodb, "list_tables", "TableNames")), sorted(tables))
    for table in tables:
        dynamodb.delete_table(TableName=table)
    equal("tables", pages(dynamodb, "list_tables", "TableNames"), [])
    return f"{len(tables)} tables"


def run(report, emulator, stack, admin_program):
    shopify_secret = secrets.token_hex(16)
    report.step("the stack is deployed", deploy, stack, shopify_secret)
    report.step("its routes are made", create_routes, stack)
    report.check("its resources are complete", declared.resources_are_complete, stack)
    report.check("its parameters are the template's", declared.settings_name_parameters, stack)
    report.check("its tables and indexes are as declared", declared.tables_are_as_declared, stack)
    report.check("its routes are as declared", declared.routes_are_as_declared, stack)
    report.check("policies count", policies_count, emulator)
    for line in declared.forgotten(stack):
        print(f"               not in the emulator: {line}")
    api = HttpApi(emulator, create_routes(stack))
    shop = checks.Shop(api, Admin(admin_program, emulator, stack), shopify_secret, stack)
    for check in checks.CHECKS:
        report.check(words(check), check, shop)
    report.step("the stack is updated", update, stack, shop)
    for check in checks.CHECKS_AFTER_THE_UPDATE:
        report.check(words(check), check, shop)
    programs, aws = admin_program.resolve().parent, Path(emulator.python).with_name("aws")
    report.check("the runbook works on a deployment", runbook.on_the_deployment, stack, api, admin_program.resolve(), aws)
    report.check("the runbook works on a local gateway", runbook.on_a_local_gateway, ROOT, programs, emulator.folder)
    report.step("the stack is deleted", delete, stack)
    report.check("the kept tables can be deleted", delete_tables, stack)


def explain(emulator, stack):
    """What a person wants to read when something failed."""
    print(f"\nThe emulator's log ends:\n{emulator.tail()}")
    if not emulator.is_running():
        return
    print("\nWhat CloudFormation could not do:", *stack.why_it_failed(), sep="\n    ")
    logs = emulator.client("logs")
    for group in pages(logs, "describe_log_groups", "logGroups"):
        name = group["logGroupName"]
        messages = [event["message"] for event in pages(logs, "filter_log_events", "events", logGroupName=name)]
        told = [message for message in messages if re.search(r'"level":"(WARN|ERROR)"|panicked', message)]
        if told:
            print(f"\nIn {name}:", *told[-LOG_LINES:], sep="\n    ")


def out_of_time(*_):
    # No check takes it for its own failure.
    sys.exit(f"error: not done within {RUN_SECONDS} s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--emulator-python", required=True)
    parser.add_argument("--admin", type=Path, required=True)
    parser.add_argument("--build-folder", type=Path, required=True)
    options = parser.parse_args()
    # So that the emulator is stopped whatever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGALRM, out_of_time)

    report = Report()
    with tempfile.TemporaryDirectory(prefix="deployment-", ignore_cleanup_errors=True) as folder:
        emulator = Emulator(options.emulator_python, Path(folder))
        stack = Stack(emulator, ROOT, options.build_folder.resolve())
        stack.parameters.update(PARAMETERS)
        signal.alarm(RUN_SECONDS)
        report.check("the runbook is complete", runbook.is_complete, ROOT)
        report.step("the functions are packed", stack.build)
        with emulator:
            try:
                run(report, emulator, stack, options.admin)
            finally:
                if report.failures or sys.exc_info()[0]:
                    explain(emulator, stack)
        signal.alarm(0)
    print(f"{report.count - report.failures} of {report.count} checks passed")
    return 1 if report.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, subprocess.TimeoutExpired) as error:
        sys.exit(f"error: {error}")
