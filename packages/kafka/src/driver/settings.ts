import { brokerError } from './driver-error.js';

/** By `ConfigResource.Type` of Kafka's own client. */
export const TOPIC_RESOURCE = 2;

const UNKNOWN_TOPIC_OR_PARTITION = 3;
const TOPIC_AUTHORIZATION_FAILED = 29;

/** Whether the broker has told the settings of a topic. @throws {DriverError} if it can tell none at all now */
export function toldSettings(errorCode: number): boolean {
  if (errorCode === UNKNOWN_TOPIC_OR_PARTITION || errorCode === TOPIC_AUTHORIZATION_FAILED) return false;
  if (errorCode !== 0) throw brokerError(errorCode, 'the settings of topics are not told');
  return true;
}

/** `null` is a secret, which no topic has. */
export const settingsOf = (
  entries: readonly (readonly [name: string, value: string | null])[],
): Readonly<Record<string, string>> =>
  Object.fromEntries(entries.flatMap(([name, value]) => (value === null ? [] : [[name, value] as const])));
