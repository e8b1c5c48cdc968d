import {
  describeSubscription,
  isPattern,
  RegistrationError,
  UnsupportedError,
  type Capabilities,
  type Destination,
  type EventContract,
} from '../contract/index.js';
import { retriesInPlace, type ResolvedHandlerOptions } from './handler-options.js';
import { longestWait } from './retry-policy.js';

interface Need {
  readonly label: string;
  readonly source: Destination;
  readonly contract?: EventContract<any, any>;
  readonly options: ResolvedHandlerOptions;
}

const minutes = (ms: number): string => `${Math.round(ms / 6_000) / 10} min`;

/**
 * Refuses what makes no sense anywhere, then what this broker cannot serve.
 * @throws {RegistrationError | UnsupportedError} naming the handler, what it asks for and what would do
 */
export function checkRequirements(
  { label, source, contract, options }: Need,
  transport: string,
  can: Capabilities,
): void {
  const what = `${label} (${describeSubscription({ source, group: options.group })})`;
  if (source.kind === 'queue' && options.broadcast)
    throw new RegistrationError(
      `${what} asks for broadcast: a queue hands each message to one worker; use @OnEvent`,
    );
  if (source.kind === 'queue' && isPattern(source.name))
    throw new RegistrationError(`${what} has wildcards: name one queue, or use @OnEvent`);
  if (options.broadcast && options.ordered)
    throw new RegistrationError(
      `${what} asks for both broadcast and ordered: a broadcast has gaps on reconnect, so it promises no order`,
    );

  const refuse = (need: string, mend: string): never => {
    throw new UnsupportedError(`${what} needs ${need}, which ${transport} cannot give: ${mend}`);
  };
  if (isPattern(source.name) && !can.patterns)
    refuse('a pattern', 'name each topic in a decorator of its own');
  if (options.broadcast && !can.broadcast) refuse('broadcast', 'use another broker for this connection');
  if (options.ordered && !can.ordered) refuse('order', 'use another broker for this connection');
  if (options.ordered && can.orderedByContractOnly && !contract?.ordered)
    refuse('order on an unordered contract', 'declare it: defineEvent(…, { ordered: true, key })');
  if (options.timeout > can.maxHold)
    refuse(
      `a timeout of ${minutes(options.timeout)}`,
      `a delivery can be held for ${minutes(can.maxHold)} at most`,
    );
  const { batch, timeout } = options;
  // A message may wait for its batch to fill, or for one that runs as long as it may.
  if (batch && Math.max(batch.wait, timeout) + timeout > can.maxHold)
    refuse(
      `batches that wait up to ${minutes(batch.wait)} and take up to ${minutes(timeout)}`,
      `a delivery can be held for ${minutes(can.maxHold)} at most, and may wait for a batch before its own; lower batch.wait or timeout`,
    );
  const inPlace = retriesInPlace(options);
  const held = inPlace ? longestWait(options.retry) : 0;
  if (held > can.maxHold)
    refuse(
      `retries in place for ${minutes(held)}`,
      `a delivery can be held for ${minutes(can.maxHold)} at most; lower attempts or backoff.max`,
    );
  if (!inPlace && options.retry.attempts > 1 && options.retry.max > can.maxDelay)
    refuse(
      `retry delays of up to ${minutes(options.retry.max)}`,
      `its longest delay is ${minutes(can.maxDelay)}`,
    );
}
