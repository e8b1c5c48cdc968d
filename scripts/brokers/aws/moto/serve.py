"""Runs moto's server: `python serve.py -H 127.0.0.1 -p <port>`, with a long poll that sees what happens meanwhile.

Its own decides when it begins which FIFO groups are in use, and holds on to that for as long as it waits; and it looks
for messages that have become visible once a second. Here it asks again and again without waiting.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html

Each request has a thread of its own, and between seeing that a message is visible and hiding it, another may see it
too: two pollers then have one message. Here one looks at a time.

And what it does again and again takes it so long that messages come seconds late: it lists its own directories to find
out whose a request is, counts all messages of a queue three times to see whether one is too old to be received, works
out what day it is to know whether one is visible, and logs each request. Here it remembers, looks at the message, asks
the clock, and does not.

Whom SQS refuses a right is told in JSON, as all else: moto says it in XML, which no client of SQS can read.
"""

import logging
import sys
import time
from functools import cache
from threading import Lock

from moto.core.exceptions import JsonRESTError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import main
from moto.sqs import models
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

DomainDispatcherApplication.get_backend_for_host = cache(
    DomainDispatcherApplication.get_backend_for_host
)


def is_young_enough(self, queue_name, message):
    lasts = self.get_queue(queue_name).message_retention_period
    return time.time() < message.sent_timestamp / 1000 + lasts


SQSBackend.is_message_valid_based_on_retention_period = is_young_enough
models.unix_time_millis = lambda: time.time() * 1000

logging.getLogger("werkzeug").setLevel(logging.WARNING)

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
