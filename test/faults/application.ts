import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type {
  ShownDeadLetter,
  Duration,
  HandlerOptions,
  MessagingHealthReport,
  MessagingModuleOptions,
  SubscriptionSource,
} from '@nest-messaging/core';
import type { Ledger } from './ledger.js';
import { until } from './until.js';

/** A broker as configuration, which a process can be given. */
export interface BrokerConfig {
  readonly name: 'aws' | 'kafka' | 'rabbitmq' | 'memory';
  readonly options: object;
}

export interface HandlerConfig {
  readonly topic?: string;
  readonly queue?: string;
  readonly options?: HandlerOptions;
  /** By a contract that says so: messages of one key come in the order of their publishing. */
  readonly ordered?: boolean;
  /** How long it takes, in milliseconds, unless a payload says otherwise. */
  readonly ms?: number;
  /** What it does, unless a payload says otherwise. @default 'succeed' */
  readonly act?: Act;
}

export interface ApplicationConfig {
  readonly service: string;
  readonly namespace: string;
  readonly broker: BrokerConfig;
  readonly handlers: readonly HandlerConfig[];
  readonly module?: Omit<MessagingModuleOptions, 'service' | 'namespace' | 'broker'>;
}

export type Act = 'succeed' | 'fail' | 'hang' | 'die';

/** What a message tells its handler to do. */
export interface Payload {
  readonly act?: Act;
  /** At how many attempts it fails. @default all */
  readonly times?: number;
  readonly ms?: number;
}

export interface Load {
  /** Its messages are `<name>-0`, `<name>-1` … */
  readonly name: string;
  readonly topic?: string;
  readonly queue?: string;
  /** How many publishes are awaited at a time. @default 1 */
  readonly lanes?: number;
  /** @default until it is ended */
  readonly count?: number;
  /** How many keys take turns. @default no key */
  readonly keys?: number;
  /** By a contract that says so: each lane publishes for a key of its own, one message after the other. */
  readonly ordered?: boolean;
  /** Bytes added to each body. */
  readonly size?: number;
  /** Between two publishes of a lane, in milliseconds. */
  readonly pause?: number;
  readonly payload?: Payload;
  readonly delay?: Duration;
}

interface About {
  readonly id: string;
  readonly group: string;
  readonly topic: string;
  readonly attempt: number;
  readonly key?: string;
  /** Milliseconds of a clock that all processes share. */
  readonly at: number;
}

interface Described {
  readonly code?: string;
  readonly retryable?: boolean;
  readonly text: string;
}

/** What an application tells, line by line. */
export type Told =
  | { readonly told: 'ready' }
  | ({ readonly told: 'refused' } & Described)
  | { readonly told: 'publishing'; readonly id: string }
  | { readonly told: 'resolved'; readonly id: string; readonly ms: number }
  | ({ readonly told: 'rejected'; readonly id: string; readonly ms: number } & Described)
  | ({ readonly told: 'began' | 'failed' | 'handled' } & About)
  | { readonly told: 'log'; readonly level: string; readonly text: string }
  | { readonly told: 'unhandled'; readonly event: string; readonly text: string }
  | { readonly told: 'answer'; readonly ask: number; readonly value?: unknown; readonly error?: Described };

export interface Letter extends Pick<ShownDeadLetter, 'attempts' | 'group'> {
  readonly id: string;
  readonly failure: string;
  /** Base64. */
  readonly body: string;
  readonly headers: ShownDeadLetter['message']['headers'];
}

export interface Held {
  readonly heapUsed: number;
  readonly rss: number;
  /** Handles by kind, such as `TCPSocketWrap` and `Timeout`. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Of the process itself, for all of its events. */
  readonly listeners: number;
}

/** An application that starts, publishes once and closes, over and over. */
export interface Cycles {
  readonly count: number;
  readonly handlers: readonly HandlerConfig[];
  readonly topic: string;
  /** After how many cycles to look at what is held. */
  readonly sample: number;
}

/** One running process of the application. */
export interface Application {
  readonly pid: number;
  /** What it told of itself. */
  readonly told: readonly Told[];
  /** How it ended, once it has. */
  readonly ended: { readonly code: number | null; readonly signal: string | null } | undefined;
  readonly ready: () => Promise<boolean>;
  readonly health: () => Promise<MessagingHealthReport>;
  readonly letters: (source: SubscriptionSource, limit?: number) => Promise<Letter[]>;
  readonly redrive: (source: SubscriptionSource, ids?: readonly string[]) => Promise<number>;
  /** Publishes `count` messages, one unless told otherwise; resolves when each has resolved or rejected. */
  readonly publish: (load: Load) => Promise<void>;
  /** Publishes on and on until {@link end}. */
  readonly begin: (load: Load) => Promise<void>;
  /** Ends a load; resolves when each of its publishes has settled. */
  readonly end: (name: string) => Promise<{ readonly begun: number; readonly pending: number }>;
  readonly held: () => Promise<Held>;
  /** Runs them in the same process, beside this application. */
  readonly cycle: (cycles: Cycles) => Promise<readonly (Held & { readonly at: number })[]>;
  readonly pause: (source: SubscriptionSource) => Promise<void>;
  readonly resume: (source: SubscriptionSource) => Promise<void>;
  readonly purge: (source: SubscriptionSource) => Promise<number>;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Sends the signal, if it still runs, and resolves when it has ended. */
  readonly stop: (signal: NodeJS.Signals) => Promise<NonNullable<Application['ended']>>;
}

const program = fileURLToPath(new URL('./program.mjs', import.meta.url));

/** Starts a process; what it tells goes to the ledger. It may still be starting, or be refused. */
export function launch(config: ApplicationConfig, ledger: Ledger): Application {
  const child = spawn(process.execPath, ['--expose-gc', '--no-warnings=ExperimentalWarning', program], {
    env: { ...process.env, NODE_OPTIONS: '', APPLICATION: JSON.stringify(config) },
    stdio: ['pipe', 'inherit', 'inherit', 'pipe'],
  });
  const told: Told[] = [];
  const asked = new Map<number, (answer: Extract<Told, { told: 'answer' }>) => void>();
  let ended: Application['ended'];
  let asks = 0;
  // It may end while it is asked.
  child.stdin!.on('error', () => {});
  createInterface({ input: child.stdio[3] as Readable }).on('line', (line) => {
    const one = JSON.parse(line) as Told;
    ledger.enter(one, child.pid!);
    if (one.told === 'answer') asked.get(one.ask)?.(one);
    // What messages do is in the ledger, and is much.
    else if (!('id' in one)) told.push(one);
  });
  // Once all that it told has been read.
  child.once('close', (code, signal) => {
    ended = { code, signal };
    if (signal === 'SIGKILL') ledger.died(child.pid!);
    for (const answer of asked.values())
      answer({ told: 'answer', ask: -1, error: { text: `the process has ended (${signal ?? code})` } });
  });

  const ask = <T>(command: string, argument?: unknown): Promise<T> =>
    new Promise((resolve, reject) => {
      const number = ++asks;
      asked.set(number, ({ value, error }) => {
        asked.delete(number);
        if (error) reject(Object.assign(new Error(`${command}: ${error.text}`), { code: error.code }));
        else resolve(value as T);
      });
      if (ended) return asked.get(number)!({ told: 'answer', ask: number, error: { text: 'it has ended' } });
      child.stdin!.write(`${JSON.stringify({ ask: number, command, argument })}\n`);
    });

  const health = (): Promise<MessagingHealthReport> => ask('health');
  return {
    pid: child.pid!,
    told,
    get ended() {
      return ended;
    },
    health,
    ready: async () => (await health()).ready,
    letters: (source, limit) => ask('letters', { source, limit }),
    redrive: (source, ids) => ask('redrive', { source, ids }),
    publish: (load) => ask('publish', load),
    begin: (load) => ask('begin', load),
    end: (name) => ask('end', name),
    held: () => ask('held'),
    cycle: (cycles) => ask('cycle', cycles),
    pause: (source) => ask('pause', source),
    resume: (source) => ask('resume', source),
    purge: (source) => ask('purge', source),
    signal: (signal) => void child.kill(signal),
    async stop(signal) {
      child.kill(signal);
      await until(() => ended !== undefined, `process ${child.pid} to end on ${signal}`, 60_000);
      return ended!;
    },
  };
}
