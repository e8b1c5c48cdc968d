import { handlerOptions, type AwsHandlerOptions } from './options.js';
import type { Tags } from './queues.js';

/** The first tag's key; those that follow have a number behind it. */
const FILTER = 'nest-messaging:filter';
/** Characters of a tag's value, and tags of a queue that are ours for this: SQS has 50 for all. */
const LONGEST = 256;
const MOST = 8;

const keyOf = (at: number): string => (at === 0 ? FILTER : `${FILTER}:${at + 1}`);

/**
 * A handler's filter policy as tags of its queue, by which whoever makes a topic subscribes the queue to it. In base64,
 * whose characters tags take. What does not fit is not told.
 */
export function filterTags({ filterPolicy, filterPolicyScope }: AwsHandlerOptions): Tags {
  if (filterPolicy === undefined) return {};
  const told: AwsHandlerOptions = { filterPolicy, ...(filterPolicyScope && { filterPolicyScope }) };
  const text = Buffer.from(JSON.stringify(told)).toString('base64');
  if (text.length > LONGEST * MOST) return {};
  const parts = Array.from({ length: Math.ceil(text.length / LONGEST) }, (_, at) =>
    text.slice(at * LONGEST, (at + 1) * LONGEST),
  );
  return Object.fromEntries(parts.map((part, at) => [keyOf(at), part]));
}

/** The policy that a queue's tags tell; none where they tell none, or what is no policy. */
export function filterOf(tags: Tags): AwsHandlerOptions {
  const text = Array.from({ length: MOST }, (_, at) => tags[keyOf(at)] ?? '').join('');
  if (text === '') return {};
  try {
    return handlerOptions(JSON.parse(Buffer.from(text, 'base64').toString()));
  } catch {
    return {};
  }
}

/** What is to be written, so that `now` tells `wanted`: what is not told any more is emptied, which needs no other right. */
export function changedFilter(now: Tags, wanted: Tags): Tags {
  const keys = Array.from({ length: MOST }, (_, at) => keyOf(at));
  return Object.fromEntries(
    keys.filter((key) => (now[key] ?? '') !== (wanted[key] ?? '')).map((key) => [key, wanted[key] ?? '']),
  );
}
