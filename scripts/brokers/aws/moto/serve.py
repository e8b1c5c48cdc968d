"""Runs moto's server: `python serve.py -H 127.0.0.1 -p <port>`, with a long poll that sees what happens meanwhile.

Its own decides when it begins which FIFO groups are in use, and holds on to that for as long as it waits; and it looks
for messages that have become visible once a second. Here it asks again and again without waiting.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
"""

import sys
import time

from moto.server import main
from moto.sqs.models import SQSBackend

LOOK_AGAIN = 0.05

ask = SQSBackend.receive_message


def receive_message(self, queue_name, count, wait_seconds_timeout, *about):
    end = time.monotonic() + wait_seconds_timeout
    while True:
        found = ask(self, queue_name, count, 0, *about)
        if found or time.monotonic() >= end:
            return found
        time.sleep(LOOK_AGAIN)


SQSBackend.receive_message = receive_message

main(sys.argv[1:])
