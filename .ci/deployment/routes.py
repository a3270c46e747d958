"""The HTTP API's routes, which the emulator does not make of the API's OpenAPI body."""

import json
import re

from aws import pages

# What SAM writes for a method that is any.
ANY_METHOD = "x-amazon-apigateway-any-method"
# `${Function.Arn}` of a function, or `${Alias}` of a function's alias, in an integration's address.
TARGET = re.compile(r"functions/\$\{(\w+?)(?:\.Arn)?\}/invocations")


def create_routes(stack):
    """Makes each route of the body that is not there yet, with one integration for each function."""
    gateway = stack.emulator.client("apigatewayv2")
    (api,) = stack.of_type("AWS::ApiGatewayV2::Api")
    body = stack.template["Resources"][api]["Properties"]["Body"]
    api_id = stack.physical(api)
    integrations = {
        integration["IntegrationUri"]: integration["IntegrationId"]
        for integration in pages(gateway, "get_integrations", "Items", ApiId=api_id)
    }
    existing = {route["RouteKey"] for route in pages(gateway, "get_routes", "Items", ApiId=api_id)}
    for path, operations in body["paths"].items():
        for method, operation in operations.items():
            key = route_key(method, path)
            if key in existing:
                continue
            function = function_arn(stack, operation)
            if function not in integrations:
                created = gateway.create_integration(
                    ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=function, PayloadFormatVersion="2.0"
                )
                integrations[function] = created["IntegrationId"]
            gateway.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integrations[function]}")
    return api_id


def route_key(method, path):
    if path.lstrip("/") == "$default":
        return "$default"
    return f"{'ANY' if method == ANY_METHOD else method.upper()} {path}"


def function_arn(stack, operation):
    """Of the function or alias that an operation is integrated with; an alias' physical name is its ARN."""
    address = json.dumps(operation["x-amazon-apigateway-integration"]["uri"])
    name = TARGET.search(address).group(1)
    physical = stack.physical(name)
    if physical.startswith("arn:"):
        return physical
    function = stack.emulator.client("lambda").get_function(FunctionName=physical)
    return function["Configuration"]["FunctionArn"]
