import {
  describeSubscription,
  isPattern,
  RegistrationError,
  UnsupportedError,
  type Capabilities,
  type Destination,
  type EventContract,
  type MessagingError,
} from '../contract/index.js';
import { retriesInPlace, type ResolvedHandlerOptions } from './handler-options.js';
import { longestWait } from './retry-policy.js';

interface Asking {
  readonly label: string;
  readonly source: Destination;
  readonly contract?: EventContract<any, any>;
  readonly options: ResolvedHandlerOptions;
}

/** What a handler asks for beyond getting its messages, and whoever publishes them. */
export type Need = 'order' | 'pattern' | 'broadcast' | 'batch' | 'delay' | 'retries' | 'time' | 'crashes';

/** Why a handler cannot be served, and for which need. */
export interface Refusal {
  readonly need?: Need;
  readonly error: MessagingError;
}

export const minutes = (ms: number): string => `${Math.round(ms / 6_000) / 10} min`;

/** What makes no sense anywhere, then what this broker cannot serve; each names the handler and what would do. */
export function unmet(
  { label, source, contract, options }: Asking,
  transport: string,
  can: Capabilities,
): readonly Refusal[] {
  const what = `${label} (${describeSubscription({ source, group: options.group })})`;
  const found: Refusal[] = [];
  const senseless = (need: Need, why: string): void =>
    void found.push({ need, error: new RegistrationError(`${what} ${why}`) });
  const lacking = (need: Need, asked: string, mend: string): void =>
    void found.push({
      need,
      error: new UnsupportedError(`${what} needs ${asked}, which ${transport} cannot give: ${mend}`),
    });

  const { broadcast, ordered, batch, timeout, retry } = options;
  if (source.kind === 'queue' && broadcast)
    senseless('broadcast', 'asks for broadcast: a queue hands each message to one worker; use @OnEvent');
  if (source.kind === 'queue' && isPattern(source.name))
    senseless('pattern', 'has wildcards: name one queue, or use @OnEvent');
  if (broadcast && ordered)
    senseless(
      'order',
      'asks for both broadcast and ordered: a broadcast has gaps on reconnect, so it promises no order',
    );

  if (isPattern(source.name) && !can.patterns)
    lacking('pattern', 'a pattern', 'name each topic in a decorator of its own');
  if (broadcast && !can.broadcast)
    lacking('broadcast', 'broadcast', 'use another broker for this connection');
  if (ordered && !can.ordered) lacking('order', 'order', 'use another broker for this connection');
  if (ordered && can.orderedByContractOnly && !contract?.ordered)
    lacking('order', 'order on an unordered contract', 'declare it: defineEvent(…, { ordered: true, key })');
  if (timeout > can.maxHold)
    lacking(
      'time',
      `a timeout of ${minutes(timeout)}`,
      `a delivery can be held for ${minutes(can.maxHold)} at most`,
    );
  // A message may wait for its batch to fill, or for one that runs as long as it may.
  if (batch && Math.max(batch.wait, timeout) + timeout > can.maxHold)
    lacking(
      'batch',
      `batches that wait up to ${minutes(batch.wait)} and take up to ${minutes(timeout)}`,
      `a delivery can be held for ${minutes(can.maxHold)} at most, and may wait for a batch before its own; lower batch.wait or timeout`,
    );
  const inPlace = retriesInPlace(options);
  const held = inPlace ? longestWait(retry) : 0;
  if (held > can.maxHold)
    lacking(
      'retries',
      `retries in place for ${minutes(held)}`,
      `a delivery can be held for ${minutes(can.maxHold)} at most; lower attempts or backoff.max`,
    );
  if (!inPlace && retry.attempts > 1 && retry.max > can.maxDelay)
    lacking(
      'retries',
      `retry delays of up to ${minutes(retry.max)}`,
      `its longest delay is ${minutes(can.maxDelay)}`,
    );
  return found;
}
