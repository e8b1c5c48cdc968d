"""Runs moto's server: `python serve.py -H 127.0.0.1 -p <port>`, with a long poll that sees what happens meanwhile.

Its own decides when it begins which FIFO groups are in use, and holds on to that for as long as it waits; and it looks
for messages that have become visible once a second. Here it asks again and again without waiting.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html

Each request has a thread of its own, and between seeing that a message is visible and hiding it, another may see it
too: two pollers then have one message. Here one looks at a time.

Whom SQS refuses a right is told in JSON, as all else: moto says it in XML, which no client of SQS can read.
"""

import sys
import time
from threading import Lock

from moto.core.exceptions import JsonRESTError
from moto.server import main
from moto.sqs.models import SQSBackend
from moto.sqs.responses import SQSResponse
from werkzeug.exceptions import HTTPException

LOOK_AGAIN = 0.05

looking = Lock()

ask = SQSBackend.receive_message


def receive_message(self, queue_name, count, wait_seconds_timeout, *about):
    end = time.monotonic() + wait_seconds_timeout
    while True:
        with looking:
            found = ask(self, queue_name, count, 0, *about)
        if found or time.monotonic() >= end:
            return found
        time.sleep(LOOK_AGAIN)


SQSBackend.receive_message = receive_message

authorize = SQSResponse._authenticate_and_authorize_normal_action


def authorize_in_json(self, resource="*"):
    try:
        authorize(self, resource)
    except HTTPException as refusal:
        told = JsonRESTError(refusal.error_type, refusal.message)
        told.code = refusal.code
        raise told from refusal


SQSResponse._authenticate_and_authorize_normal_action = authorize_in_json

main(sys.argv[1:])
