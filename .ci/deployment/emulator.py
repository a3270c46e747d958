"""ministack with what it lacks of CloudFormation, so that template.yaml is deployed as it stands: `python emulator.py`.

It is set by ministack's environment variables (GATEWAY_PORT, BIND_HOST and so on). What it adds goes into ministack's
own tables and functions, which are no interface of its: they are those of the version that is pinned in .ci/run.
"""

import contextvars

from ministack.app import main
from ministack.core import iam_actions
from ministack.services import apigateway
from ministack.services.cloudformation import changesets, engine, handlers, provisioners
from samtranslator.translator import transform as sam

import message_moves

HANDLERS = provisioners._RESOURCE_HANDLERS

# Types that the emulator does not know, and refuses a whole stack for. As placeholders they have a name and an ARN, and
# do nothing: without CodeDeploy, for one, an alias moves to the new version at once.
PLACEHOLDERS = {
    "AWS::CloudWatch::AnomalyDetector": "cloudwatch",
    "AWS::CloudWatch::CompositeAlarm": "cloudwatch",
    "AWS::CodeDeploy::Application": "codedeploy",
    "AWS::CodeDeploy::DeploymentGroup": "codedeploy",
    "AWS::Logs::QueryDefinition": "logs",
}


def placeholder(service):
    def create(logical_id, props, stack_name):
        name = f"{stack_name}-{logical_id}"
        arn = f"arn:aws:{service}:{provisioners.get_region()}:{provisioners.get_account_id()}:{name}"
        return name, {"Arn": arn}

    def update(physical_id, old_props, new_props, stack_name):
        logical_id = physical_id.removeprefix(f"{stack_name}-")
        return create(logical_id, new_props, stack_name)

    return {"create": create, "update": update, "delete": lambda physical_id, props: None}


def let_metric_math_pass():
    """An alarm on an expression is a placeholder; one on a single metric is the emulator's, which evaluates it."""
    alarm = HANDLERS["AWS::CloudWatch::Alarm"]
    known = dict(alarm)
    nothing = placeholder("cloudwatch")

    def create(logical_id, props, stack_name):
        handler = nothing if "Metrics" in props else known
        return handler["create"](logical_id, props, stack_name)

    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        if "Metrics" in old_props or "Metrics" in new_props:
            delete(physical_id, old_props)
            return create(logical_id or physical_id, new_props, stack_name)
        return known["update"](physical_id, old_props, new_props, stack_name, logical_id)

    def delete(physical_id, props):
        handler = nothing if "Metrics" in props else known
        handler["delete"](physical_id, props)

    alarm.update(create=create, update=update, delete=delete, update_with_logical_id=True)


def refer_to_secrets_by_arn():
    """`Ref` of a secret is its ARN on AWS, and its name here: a policy with such a `Ref` would allow nothing."""
    secret = HANDLERS["AWS::SecretsManager::Secret"]
    known = dict(secret)

    def name_of(arn):
        # The name, and behind it a dash and six characters.
        return arn.split(":secret:", 1)[1].rsplit("-", 1)[0]

    def by_arn(created):
        _, attributes = created
        return attributes["Arn"], attributes

    def create(logical_id, props, stack_name):
        return by_arn(known["create"](logical_id, props, stack_name))

    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        return by_arn(known["update"](name_of(physical_id), old_props, new_props, stack_name, logical_id))

    def delete(physical_id, props):
        known["delete"](name_of(physical_id), props)

    secret.update(create=create, update=update, delete=delete, update_with_logical_id=True)


def read_deletion_protection():
    """CloudFormation takes "false" for false; the emulator takes any text for true, and protects the table."""
    table = HANDLERS["AWS::DynamoDB::Table"]
    known = dict(table)

    def read(props):
        protection = str(props.get("DeletionProtectionEnabled", False)).lower() == "true"
        return {**props, "DeletionProtectionEnabled": protection}

    def create(logical_id, props, stack_name):
        return known["create"](logical_id, read(props), stack_name)

    def update(physical_id, old_props, new_props, *where):
        return known["update"](physical_id, read(old_props), read(new_props), *where)

    table.update(create=create, update=update)


def tell_the_transform_the_parameters():
    """SAM's transform reads parameters' values, for a version's name among others; the emulator tells it none."""
    parameters = contextvars.ContextVar("parameters", default={})
    apply_transforms = engine._apply_transforms
    transform = sam.transform

    def apply_with_parameters(template, provided=None, previous=None):
        parameters.set(engine._transform_parameters(template, provided, previous))
        return apply_transforms(template, provided, previous)

    def transform_with_parameters(template, none, policies):
        return transform(template, parameters.get(), policies)

    sam.transform = transform_with_parameters
    for user in (changesets, engine, handlers):
        user._apply_transforms = apply_with_parameters


def name_the_permissions_of_batches():
    """SQS has none: a batch needs the permission of what is in it. The emulator asks for one of the batch's own."""
    extract_action = iam_actions.extract_iam_action

    def extract_single_action(*request):
        action = extract_action(*request)
        return action.removesuffix("Batch") if action and action.startswith("sqs:") else action

    iam_actions.extract_iam_action = extract_single_action


class Preflight(str):
    """The method OPTIONS, which the emulator shall not know again."""

    __hash__ = str.__hash__

    def __eq__(self, other):
        return False


def lead_preflights_to_the_api():
    """An API without a CorsConfiguration routes OPTIONS like any other method; the emulator refuses it by itself."""
    execute = apigateway._handle_execute_in_scope

    async def execute_preflights_too(api_id, stage, path, method, *arguments, **named):
        api = apigateway._apis.get(api_id)
        if method == "OPTIONS" and api and not api.get("corsConfiguration"):
            method = Preflight(method)
        return await execute(api_id, stage, path, method, *arguments, **named)

    apigateway._handle_execute_in_scope = execute_preflights_too


if __name__ == "__main__":
    for resource_type, service in PLACEHOLDERS.items():
        HANDLERS.setdefault(resource_type, placeholder(service))
    let_metric_math_pass()
    refer_to_secrets_by_arn()
    read_deletion_protection()
    tell_the_transform_the_parameters()
    name_the_permissions_of_batches()
    lead_preflights_to_the_api()
    message_moves.install()
    main()
