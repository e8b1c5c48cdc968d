import type { Destination } from '@nest-messaging/core/contract';
import {
  ARGUMENTS,
  events,
  eventsExchange,
  queueName,
  returning,
  serviceName,
  type Arguments,
  type Owner,
  type Plan,
  type Resource,
} from './topology.js';

// Delays of any length out of few queues, without a plug-in: binary levels, each a queue whose messages all wait the
// same time, so that none stands behind one that is due later. A message passes the levels of its delay's binary
// digits, and keeps its routing key on the way, because its headers lead it.
// docs/decisions/0012-rabbitmq-delays.md has the facts and what else was tried.

/** Milliseconds of the shortest level; each level is twice as long as the one below. */
const UNIT = 100;
/** Enough for 9.7 days. */
export const LEVELS = 23;
/** Longest delay, in milliseconds. */
export const MAX_DELAY = 7 * 24 * 60 * 60 * 1_000;
/** A delay is rounded up to so many binary digits: at most 0.8 % later, and no message passes more queues. */
const DIGITS = 8;

/** Headers of a delayed message say at which levels it waits, and what becomes of it when it is due. */
const VIA = 'nm-via';
const levelHeader = (level: number): string => `nm-d${level}`;

export interface DelayRoute {
  /** The highest level where it waits. */
  readonly top: number;
  readonly headers: Readonly<Record<string, string | boolean>>;
}

/** Through which levels a delay of `ms` leads, to a topic's subscribers or to one queue. */
export function delayRoute(ms: number, via: Destination['kind']): DelayRoute {
  let units = Math.max(1, Math.ceil(Math.min(ms, MAX_DELAY) / UNIT));
  const step = 2 ** Math.max(0, Math.floor(Math.log2(units)) + 1 - DIGITS);
  units = Math.ceil(units / step) * step;
  const top = Math.floor(Math.log2(units));
  const levels = Array.from({ length: top + 1 }, (_, level) => [
    levelHeader(level),
    Math.floor(units / 2 ** level) % 2 === 1,
  ]);
  return { top, headers: { [VIA]: via, ...Object.fromEntries(levels) } };
}

export const isDelayHeader = (name: string): boolean => name === VIA || /^nm-d\d+$/.test(name);

export const delayExchange = (owner: Owner, level: number): string => serviceName(owner, `delay-${level}`);

/** What a delayed message passes when it is due, whatever its delay was. */
export function delayEnds(owner: Owner): Resource[] {
  const due = serviceName(owner, 'due');
  const sink = serviceName(owner, 'sink');
  const back = serviceName(owner, 'return');
  const strays = serviceName(owner, 'strays');
  const via = (kind: Destination['kind']): Arguments => ({ 'x-match': 'all', [VIA]: kind });
  return [
    ...events(owner),
    // Keeps nothing: it is there so that a due message always finds a queue. One that found none would stay where it
    // is and, after 32 of them, hold up all others of its level.
    { kind: 'queue', name: sink, arguments: { ...ARGUMENTS.quorum, 'x-max-length': 0 } },
    // A retried message whose queue was deleted must neither hold up others nor be lost.
    { kind: 'queue', name: strays, arguments: ARGUMENTS.quorum },
    { kind: 'exchange', name: strays, type: 'fanout' },
    { kind: 'binding', from: strays, to: { queue: strays }, key: '' },
    { kind: 'exchange', name: back, type: 'direct', arguments: { 'alternate-exchange': strays } },
    { kind: 'exchange', name: due, type: 'headers' },
    { kind: 'binding', from: due, to: { exchange: eventsExchange(owner) }, key: '', arguments: via('topic') },
    { kind: 'binding', from: due, to: { queue: sink }, key: '', arguments: via('topic') },
    { kind: 'binding', from: due, to: { exchange: back }, key: '', arguments: via('queue') },
  ];
}

/** What a delayed message needs of its destination: whoever takes from a queue may be of another service, with delays of its own. */
export const dueAt = (owner: Owner, { kind, name }: Destination): Resource[] =>
  kind === 'queue' ? returning(owner, queueName(owner, name)) : [];

/** Where a subscription's retried messages come back through. */
export const wayBack = (owner: Owner, { retries }: Pick<Plan, 'retries'>): Resource[] =>
  retries ? delayEnds(owner) : [];

/** One level: who is marked for it waits in its queue, the others pass on to the level below at once. */
export function delayLevel(owner: Owner, level: number): Resource[] {
  const name = delayExchange(owner, level);
  const below = level === 0 ? serviceName(owner, 'due') : delayExchange(owner, level - 1);
  const marked = (yes: boolean): Arguments => ({ 'x-match': 'all', [levelHeader(level)]: yes });
  return [
    { kind: 'exchange', name, type: 'headers' },
    {
      kind: 'queue',
      name,
      arguments: {
        ...ARGUMENTS.quorum,
        'x-message-ttl': UNIT * 2 ** level,
        'x-dead-letter-exchange': below,
        // Only so is a message removed here when the next queue has confirmed it; only with the second is the first
        // obeyed. See https://www.rabbitmq.com/docs/quorum-queues#dead-lettering
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
      },
    },
    { kind: 'binding', from: name, to: { queue: name }, key: '', arguments: marked(true) },
    { kind: 'binding', from: name, to: { exchange: below }, key: '', arguments: marked(false) },
  ];
}

/** By owner and level. Each delayed message needs dozens of resources, which are those of others. */
const known = new WeakMap<Owner, (readonly Resource[])[]>();

/** All that a delay up to level `top` passes, from its end to its beginning. */
export function delays(owner: Owner, top: number): readonly Resource[] {
  let levels = known.get(owner);
  if (!levels) known.set(owner, (levels = []));
  return (levels[top] ??= [
    ...delayEnds(owner),
    ...Array.from({ length: top + 1 }, (_, level) => delayLevel(owner, level)).flat(),
  ]);
}

/** What any delay may pass. */
export const allDelays = (owner: Owner): readonly Resource[] => delays(owner, LEVELS - 1);
