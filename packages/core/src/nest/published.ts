import * as v from 'valibot';
import { isContract, type EventContract } from '../contract/index.js';
import type { PublicationDeclaration } from '../engine/index.js';

type Name = string | EventContract<any, any>;

/**
 * What is published, for whoever explains or documents the application; what is not said here can be published all the
 * same.
 */
export interface Published {
  /** Topics that it publishes to, or their contracts. @default none */
  readonly publishes?: readonly Name[];
  /** Queues that it sends tasks to, or their contracts. @default none */
  readonly enqueues?: readonly Name[];
}

/** Schema of a topic, a queue or its contract. */
export const nameSchema = v.custom<Name>(
  (value) => typeof value === 'string' || isContract(value),
  'a name or a contract',
);

export const publishedEntries = {
  publishes: v.optional(v.array(nameSchema)),
  enqueues: v.optional(v.array(nameSchema)),
};

const declared = (kind: 'topic' | 'queue', name: Name): PublicationDeclaration =>
  isContract(name)
    ? { destination: { kind, name: name.topic }, ordered: name.ordered, contract: name }
    : { destination: { kind, name }, ordered: false };

/** Each destination once: the contract says more than its name. */
export function publicationsOf(published: readonly Published[]): PublicationDeclaration[] {
  const all = published.flatMap(({ publishes = [], enqueues = [] }) => [
    ...publishes.map((name) => declared('topic', name)),
    ...enqueues.map((name) => declared('queue', name)),
  ]);
  const distinct = new Map<string, PublicationDeclaration>();
  for (const one of all) {
    const key = `${one.destination.kind} ${one.destination.name} ${one.ordered}`;
    if (!distinct.get(key)?.contract) distinct.set(key, one);
  }
  return [...distinct.values()];
}
