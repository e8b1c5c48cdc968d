import { Option, type Command } from 'commander';
import {
  checkName,
  checkTopicOrPattern,
  ConfigurationError,
  systemClock,
  TopologyError,
  type SubscriptionId,
  type Transport,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { createDeadLetterOffice, type DeadLetterOffice } from '@nest-messaging/core/engine';
import { openTransport, type Place } from '../connection.js';
import { UsageError } from '../exit.js';
import type { FullTerminal } from '../terminal.js';

/** Which subscription on which broker a command is about. */
export interface SubscriptionOptions {
  readonly url?: string;
  readonly service?: string;
  readonly namespace?: string;
  readonly topic?: string;
  readonly group?: string;
  readonly queue?: string;
}

export function addSubscription(command: Command): Command {
  return command
    .addOption(new Option('--url <url>', 'of the broker').env('BROKER_URL'))
    .option('--service <name>', 'as MessagingModule.forRoot is given it')
    .option('--namespace <name>', 'likewise')
    .option('--topic <topic>', 'topic or pattern, as its handler has it')
    .option('--group <name>', "of the handler; the service's name if it is left out")
    .addOption(
      new Option('--queue <queue>', 'instead: the queue, as its handler has it').conflicts([
        'topic',
        'group',
      ]),
    );
}

interface Located {
  readonly place: Place;
  readonly id: SubscriptionId;
}

/** @throws {UsageError} if it is unclear which is meant */
function located({ url, service, namespace, topic, queue, group }: SubscriptionOptions): Located {
  if (url === undefined)
    throw new UsageError('--url is missing, and BROKER_URL is not set: say which broker');
  if (/^memory:/i.test(url))
    throw new UsageError(
      '--url memory: is a broker in the memory of the process that has it, and this one has none: give the URL of another',
    );
  if (service === undefined)
    throw new UsageError('--service is missing: the name that MessagingModule.forRoot is given');
  const source =
    queue !== undefined
      ? { kind: 'queue' as const, name: queue }
      : topic !== undefined
        ? { kind: 'topic' as const, name: topic }
        : undefined;
  if (source === undefined)
    throw new UsageError('neither --topic nor --queue is given: say whose dead letters, as its handler does');
  try {
    if (group !== undefined) checkName('group', group);
    if (source.kind === 'topic') checkTopicOrPattern(source.name);
    else checkName('queue', source.name);
  } catch (error) {
    throw error instanceof ConfigurationError ? new UsageError(error.message, { cause: error }) : error;
  }
  return {
    // Nothing is made, and rights that only making needs are not wanted.
    place: { url, service, namespace, topology: 'none' },
    id: { source, group: group ?? service },
  };
}

/** The dead letters of one subscription, on a broker that is connected. */
export interface Letters {
  readonly office: DeadLetterOffice;
  readonly id: SubscriptionId;
  /** Aborts with an `InterruptedError`. */
  readonly signal: AbortSignal;
}

/** What the operator should know, and what is no failure of the command. */
const tell =
  ({ error: say }: FullTerminal) =>
  (event: TransportEvent): void => {
    if (event.type !== 'warning') return;
    const { message, error } = event;
    say(`warning: ${error instanceof Error ? `${message}: ${error.message}` : message}\n`);
  };

/** A name that nobody has looks like one whose letters are all mended. */
async function checkPlace({ deadLetters }: Transport, { place: { namespace }, id }: Located): Promise<void> {
  try {
    await deadLetters.check(id);
  } catch (cause) {
    if (!(cause instanceof TopologyError)) throw cause;
    const names = id.source.kind === 'queue' ? '--queue' : '--topic, --group (else --service)';
    throw new TopologyError(
      `${cause.message}; check ${names}, --namespace (${namespace ?? 'there is none'}) and --url`,
      { cause },
    );
  }
}

/** Whoever waits for a stream hears of an abort, and not why. */
const isAbort = (error: unknown): boolean => (error as Error | undefined)?.name === 'AbortError';

/**
 * Connects for as long as `act` takes.
 * @throws {UsageError} if it is unclear which subscription on which broker is meant
 * @throws {TopologyError} if there is none of that name
 * @throws {InterruptedError} if it was told to end
 */
export async function withDeadLetters<T>(
  options: SubscriptionOptions,
  terminal: FullTerminal,
  act: (letters: Letters) => Promise<T>,
): Promise<T> {
  const one = located(options);
  const { place, id } = one;
  const transport = await openTransport(place, tell(terminal));
  const signal = terminal.interruption();
  try {
    await transport.connect();
    signal.throwIfAborted();
    await checkPlace(transport, one);
    return await act({ office: createDeadLetterOffice(transport.deadLetters, systemClock), id, signal });
  } catch (error) {
    throw signal.aborted && isAbort(error) ? signal.reason : error;
  } finally {
    await transport.close();
  }
}
