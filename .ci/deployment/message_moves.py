"""Moving dead letters back, which the emulator's SQS does not know: StartMessageMoveTask and ListMessageMoveTasks.

All messages are moved at once, so that a task is done as soon as it is started.
"""

import json
import uuid

from ministack.services import sqs

# By the queue that was moved from.
TASKS = {}


def start(data, url):
    source = find(data["SourceArn"])
    destination = find(data["DestinationArn"]) if data.get("DestinationArn") else source_of(data["SourceArn"])
    moved = [{**message, "receive_count": 0, "receipt_handle": None} for message in source["messages"]]
    destination["messages"].extend(moved)
    source["messages"].clear()
    task = {
        "TaskHandle": str(uuid.uuid4()),
        "Status": "COMPLETED",
        "SourceArn": data["SourceArn"],
        "DestinationArn": destination["attributes"]["QueueArn"],
        "ApproximateNumberOfMessagesMoved": len(moved),
    }
    TASKS.setdefault(data["SourceArn"], []).insert(0, task)
    return {"TaskHandle": task["TaskHandle"]}


def list_tasks(data, url):
    return {"Results": TASKS.get(data["SourceArn"], [])}


def find(arn):
    queue = sqs._queue_by_arn(arn)
    if queue is None:
        raise sqs._Err("ResourceNotFoundException", "The resource that you specified for the SourceArn does not exist.")
    return queue


def source_of(arn):
    """The queue whose dead letters lie there."""
    for queue in sqs._queues.values():
        policy = json.loads(queue["attributes"].get("RedrivePolicy") or "{}")
        if policy.get("deadLetterTargetArn") == arn:
            return queue
    raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")


def install():
    sqs._HANDLERS.update(StartMessageMoveTask=start, ListMessageMoveTasks=list_tasks)
