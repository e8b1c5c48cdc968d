// Loads the types of every entry, so that the compiler, which checks libraries here, finds one that does not hold.
export type * as core from '@nest-messaging/core';
export type * as contract from '@nest-messaging/core/contract';
export type * as engine from '@nest-messaging/core/engine';
export type * as aws from '@nest-messaging/aws';
export type * as kafka from '@nest-messaging/kafka';
export type * as rabbitmq from '@nest-messaging/rabbitmq';
export type * as testing from '@nest-messaging/testing';
export type * as conformance from '@nest-messaging/testing/conformance';
