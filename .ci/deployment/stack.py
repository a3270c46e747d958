"""The deployed stack: built, made, updated and deleted by SAM, and what CloudFormation tells of it."""

import functools
import json
import os
import shutil
import subprocess
import tomllib

from aws import pages
from expect import Failed

# The environment of samconfig.toml that is deployed.
CONFIG_ENV = "dev"
# A deployment takes ten seconds, a build or a deletion five.
SAM_SECONDS = 180
QUOTED_NOTHING = '""'
# In place of cargo, for SAM's build: what `cargo lambda build` is asked for is there already. Left to itself, SAM
# builds function by function, and for one alone cargo unites the dependencies' features otherwise than for all of them
# at once: it would compile the whole SDK anew for each.
CARGO = """#!/bin/sh
if [ "$1 $2" = "lambda build" ]; then exit 0; fi
exec "{cargo}" "$@"
"""


class Stack:
    def __init__(self, emulator, root, build):
        self.emulator = emulator
        self.root = root
        self.build_folder = build
        with (root / "samconfig.toml").open("rb") as file:
            self.settings = tomllib.load(file)
        self.name = self.settings[CONFIG_ENV]["global"]["parameters"]["stack_name"]
        # What is given on the command line replaces the whole list of samconfig.toml, so it is given as well.
        self.parameters = overrides(self.settings[CONFIG_ENV])
        self.cloudformation = emulator.client("cloudformation")

    def build(self):
        """Packs what `cargo lambda build` has left in the target folder, as SAM would have built it."""
        programs = self.emulator.folder / "programs"
        programs.mkdir()
        cargo = programs / "cargo"
        cargo.write_text(CARGO.format(cargo=shutil.which("cargo")))
        cargo.chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0"}
        # The folder of the build has a folder of its own, since SAM keeps its notes beside it.
        self.sam("build", "--build-dir", self.build_folder / "built", environment=environment)

    def deploy(self, **parameters):
        self.parameters.update(parameters)
        # A stack is what CloudFormation made of it: nothing that was read before holds any more.
        self.__dict__.pop("resources", None)
        self.__dict__.pop("template", None)
        template = self.build_folder / "built" / "template.yaml"
        return self.sam("deploy", "--template-file", template)

    def delete(self):
        return self.sam("delete", "--no-prompts", "--region", self.emulator.client("s3").meta.region_name)

    def sam(self, command, *arguments, environment=None):
        line = ["sam", command, "--config-file", self.root / "samconfig.toml", "--config-env", CONFIG_ENV, *arguments]
        if command != "delete":
            # SAM wants quotes around nothing.
            given = (f"{name}={value or QUOTED_NOTHING}" for name, value in self.parameters.items())
            line += ["--parameter-overrides", *given]
        done = subprocess.run(
            line,
            cwd=self.root,
            env=environment or self.emulator.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=SAM_SECONDS,
        )
        if done.returncode != 0:
            raise Failed(f"sam {command} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    @functools.cached_property
    def template(self):
        """The template after SAM: what CloudFormation was told."""
        body = self.cloudformation.get_template(StackName=self.name, TemplateStage="Processed")["TemplateBody"]
        return json.loads(body) if isinstance(body, str) else body

    @functools.cached_property
    def resources(self):
        """Every resource of the stack by its logical name."""
        listed = pages(self.cloudformation, "list_stack_resources", "StackResourceSummaries", StackName=self.name)
        return {resource["LogicalResourceId"]: resource for resource in listed}

    def of_type(self, resource_type):
        """What the template says of each resource of a type that the stack has, by logical name."""
        return {
            name: resource
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == resource_type and name in self.resources
        }

    def physical(self, logical_name):
        return self.resources[logical_name]["PhysicalResourceId"]

    def describe(self):
        return self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]

    def outputs(self):
        return {output["OutputKey"]: output["OutputValue"] for output in self.describe()["Outputs"]}

    def deployed_parameters(self):
        return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in self.describe()["Parameters"]}

    def why_it_failed(self):
        try:
            events = pages(self.cloudformation, "describe_stack_events", "StackEvents", StackName=self.name)
        except self.cloudformation.exceptions.ClientError:
            return []
        return [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
            for event in events
            if event["ResourceStatus"].endswith("FAILED")
        ]


def overrides(environment):
    """The template's parameters in one environment of samconfig.toml."""
    given = environment["deploy"]["parameters"]["parameter_overrides"]
    return dict(item.replace(QUOTED_NOTHING, "").split("=", 1) for item in given)
