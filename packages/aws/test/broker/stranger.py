"""A service in Python that has never heard of the module: `publish <topic>` JSON, or `read <queue>` one message."""

import sys

import boto3

act, name = sys.argv[1:]

if act == "publish":
    sns = boto3.client("sns")
    sns.publish(TopicArn=sns.create_topic(Name=name)["TopicArn"], Message='{"id": 1, "from": "boto3"}')
else:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    sys.stdout.write(message["Body"])
