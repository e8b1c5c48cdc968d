import {
  ConnectionError,
  describeSubscription,
  type Clock,
  type Subscription,
  type Transport,
} from '../contract/index.js';
import { failureOf } from './failure.js';

/** How much waits on the broker for one subscription. */
export interface Backlog {
  readonly name: string;
  /** Messages that wait for any process of the group; left out where the broker did not tell. */
  readonly messages?: number;
  /** Why it did not tell. */
  readonly reason?: string;
}

/** Milliseconds for which an answer is good enough: whoever asks often asks no broker more often. */
const FRESH = 5_000;
/** Milliseconds that the broker has for its answer. */
const WITHIN = 5_000;

/** Asks the broker, within bounds, for what waits for each subscription. Never rejects. */
export function createBacklogs(
  transport: Transport,
  subscriptions: () => readonly Subscription[],
  clock: Clock,
): () => Promise<readonly Backlog[]> {
  let last: { readonly at: number; readonly answer: Promise<readonly Backlog[]> } | undefined;

  const limited = (asking: Promise<number>): Promise<number> =>
    new Promise((resolve, reject) => {
      const cancel = clock.schedule(
        () => reject(new ConnectionError(`${transport.name} did not answer within ${WITHIN} ms`)),
        WITHIN,
      );
      asking.then(resolve, reject).finally(cancel);
    });

  async function ask(subscription: Subscription): Promise<Backlog> {
    const name = describeSubscription(subscription);
    if (!transport.backlog) return { name, reason: `${transport.name} does not tell` };
    try {
      return { name, messages: await limited(transport.backlog(subscription)) };
    } catch (error) {
      const failure = failureOf(error, 0);
      return { name, reason: `${failure.name}: ${failure.message}` };
    }
  }

  return () => {
    const now = clock.now();
    if (!last || Math.abs(now - last.at) >= FRESH)
      last = { at: now, answer: Promise.all(subscriptions().map(ask)) };
    return last.answer;
  };
}
