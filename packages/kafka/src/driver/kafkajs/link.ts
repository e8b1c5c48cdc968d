import type { Kafka, KafkaConfig, SASLOptions } from 'kafkajs';
import net from 'node:net';
import tls from 'node:tls';
import { DriverError } from '../driver-error.js';
import type { DriverOptions } from '../driver.js';
import { checkVersions } from './exchanges.js';
import {
  brokerDoor,
  type Broker,
  type Exchange,
  type KafkaConstructor,
  type SocketFactory,
} from './library.js';
import { connectionError, timeout, translate, type Seen } from './translate.js';

/** The connections to one broker, from their opening to their end; never opened again. */
export interface Link {
  readonly broker: Broker;
  readonly ended: boolean;
  /**
   * Settles by the deadline, and at once when a connection is lost or ended.
   * @param deadline milliseconds since 1970
   */
  ask<Answer>(send: (broker: Broker) => Promise<Answer>, deadline: number): Promise<Answer>;
  /** Whom to tell of the id that a new member is given, with which kafkajs itself asks once more. */
  named: ((memberId: string) => void) | undefined;
  /** Asks through the connection that is for fetches alone. */
  fetch<Answer>(exchange: Exchange<Answer>, deadline: number): Promise<Answer>;
  /** Ends the connections at once: what is under way rejects with the error. */
  end(error: DriverError): void;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface LinkSetup {
  readonly Kafka: KafkaConstructor;
  readonly options: DriverOptions;
  /** Called once, however it ends. */
  readonly onEnd: () => void;
}

/**
 * Metadata, OffsetCommit, CreateTopics, DeleteRecords and DescribeConfigs: they answer for each topic or partition, and
 * kafkajs would throw for all.
 */
const ANSWERED_ONE_BY_ONE = new Set([3, 8, 19, 21, 32]);
/** As kafkajs's own socket factory has it. */
const KEEP_ALIVE_DELAY = 60_000;
/** A TLS alert is how a broker with TLS answers a client without. */
const TLS_ALERT = 0x15;

/** Connects and logs in, within the time to connect. */
export function openLink(
  to: Address,
  { Kafka, options, onEnd }: LinkSetup,
): { opened: Promise<Link>; end: Link['end'] } {
  const address = `${to.host}:${to.port}`;
  const sockets = new Set<net.Socket>();
  const waiting = new Set<(error: DriverError) => void>();
  const seen: { -readonly [Key in keyof Seen]: Seen[Key] } = {};
  let ending: DriverError | undefined;

  function end(error: DriverError): void {
    if (ending) return;
    ending = error;
    onEnd();
    for (const reject of waiting) reject(error);
    // With an error, as kafkajs listens for those, and clears its timers then.
    for (const socket of sockets) socket.destroy(error);
  }

  function lose(error: DriverError): void {
    const wasOpen = !ending && opened;
    end(error);
    if (wasOpen) options.onDisconnect(error);
  }

  let opened = false;
  const socketFactory = watched(
    options,
    sockets,
    seen,
    () => lose(connectionError(address, seen)),
    () => ending,
  );

  async function ask<Answer>(send: () => Promise<Answer>, deadline: number): Promise<Answer> {
    if (ending) throw ending;
    const { promise, reject } = rejection();
    waiting.add(reject);
    const timer = setTimeout(
      () => {
        const late = timeout(address);
        reject(late);
        lose(late);
      },
      Math.max(deadline - Date.now(), 1),
    );
    try {
      return await Promise.race([send(), promise]);
    } catch (thrown) {
      const error = translate(thrown, address, seen);
      if (error.code === 'CONNECTION') lose(error);
      throw error;
    } finally {
      clearTimeout(timer);
      waiting.delete(reject);
    }
  }

  let link: Link | undefined;

  async function open(): Promise<Link> {
    const broker = await brokerDoor(new Kafka(configuration(options, address, socketFactory)) as Kafka, to);
    const { connectionPool } = broker;
    const send = connectionPool.send.bind(connectionPool);
    connectionPool.send = async (exchange) => {
      try {
        return await send(lenient(exchange));
      } catch (error) {
        const { name, memberId } = error as { name?: string; memberId?: string };
        if (name === 'KafkaJSMemberIdRequired' && memberId) link?.named?.(memberId);
        throw error;
      }
    };
    try {
      await ask(() => broker.connect(), Date.now() + options.connectTimeout);
      checkVersions(broker.versions);
    } catch (thrown) {
      const error = translate(thrown, address, seen);
      end(error);
      throw error;
    }
    opened = true;

    let fetchConnection: Promise<unknown> | undefined;
    link = {
      broker,
      named: undefined,
      get ended() {
        return ending !== undefined;
      },
      ask: (request, deadline) => ask(() => request(broker), deadline),
      fetch: (exchange, deadline) =>
        ask(async () => {
          // Two requests that both find it closed would each open a socket, and one of them would be forgotten.
          await (fetchConnection ??= connectionPool.getConnection(1));
          return connectionPool.send(exchange);
        }, deadline),
      end,
    };
    return link;
  }

  return { opened: open(), end };
}

function lenient<Answer>(exchange: Exchange<Answer>): Exchange<Answer> {
  if (!ANSWERED_ONE_BY_ONE.has(exchange.request.apiKey)) return exchange;
  return { ...exchange, response: { ...exchange.response, parse: (answer) => Promise.resolve(answer) } };
}

/** Makes sockets as the application or kafkajs would, and notes what becomes of them. */
function watched(
  { vendor }: DriverOptions,
  sockets: Set<net.Socket>,
  seen: { -readonly [Key in keyof Seen]: Seen[Key] },
  lose: () => void,
  ended: () => DriverError | undefined,
): SocketFactory {
  const make = (vendor['socketFactory'] as SocketFactory | undefined) ?? makeSocket;
  return (args) => {
    const socket = make({
      ...args,
      onConnect: () => {
        delete seen.greeting;
        args.onConnect();
      },
    });
    sockets.add(socket);
    if (args.ssl) {
      socket.once('connect', () => {
        seen.greeting = true;
      });
    } else {
      socket.once('data', (first: Buffer) => {
        if (first[0] === TLS_ALERT && first[1] === 3) seen.tls = true;
      });
    }
    socket.once('error', (error) => {
      seen.error ??= error;
    });
    socket.once('close', () => {
      sockets.delete(socket);
      lose();
    });
    const error = ended();
    if (error) process.nextTick(() => socket.destroy(error));
    return socket;
  };
}

const makeSocket: SocketFactory = ({ host, port, ssl, onConnect }) => {
  const socket = ssl
    ? tls.connect({ host, port, ...(net.isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
    : net.connect({ host, port }, onConnect);
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY);
  socket.setNoDelay(true);
  return socket;
};

/** The library's own options win, except for what this file must know. */
function configuration(options: DriverOptions, address: string, socketFactory: SocketFactory): KafkaConfig {
  return {
    clientId: options.clientId,
    ...(options.tls && { ssl: options.tls }),
    ...(options.sasl && { sasl: login(options.sasl) }),
    connectionTimeout: options.connectTimeout,
    authenticationTimeout: options.connectTimeout,
    requestTimeout: options.requestTimeout,
    // The limits of this driver hold instead: they know which requests the broker holds back, and for how long.
    enforceRequestTimeout: false,
    retry: { retries: 0 },
    logCreator: () => () => undefined,
    ...options.vendor,
    brokers: [address],
    socketFactory,
  };
}

function login(sasl: NonNullable<DriverOptions['sasl']>): SASLOptions {
  if (sasl.mechanism !== 'oauthbearer') return { ...sasl };
  return {
    mechanism: 'oauthbearer',
    oauthBearerProvider: async () => {
      try {
        return { value: await sasl.token() };
      } catch (cause) {
        throw new DriverError(
          'AUTHENTICATION',
          'The function that gives the token for the login has failed.',
          {
            retryable: true,
            cause,
          },
        );
      }
    },
  };
}

function rejection(): { promise: Promise<never>; reject: (error: DriverError) => void } {
  let reject!: (error: DriverError) => void;
  const promise = new Promise<never>((_, rejectPromise) => {
    reject = rejectPromise;
  });
  return { promise, reject };
}
