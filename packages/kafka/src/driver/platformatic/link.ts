import { isIP } from 'node:net';
import type { API, Broker, ConnectionOptions } from '@platformatic/kafka';
import type { VersionRange } from '../driver.js';
import { DriverError } from '../driver-error.js';
import { driverError } from './errors.js';
import type { Library, LibraryError } from './library.js';
import { createPending, timedOut } from '../pending.js';

/** One connection to one broker. */
export interface Link {
  /** Resolves once it is open and logged in. */
  readonly open: Promise<void>;
  /** What the broker speaks, by the number of each request; empty until it is open. */
  readonly versions: ReadonlyMap<number, VersionRange>;
  /**
   * Sends a request. Resolves with the answer whatever error codes it holds. Without an answer in time the connection
   * ends: the broker answers in order, so that those behind it would get none either.
   */
  ask<Request extends unknown[], Answer>(
    api: API<Request, Answer>,
    limit: number,
    ...request: Request
  ): Promise<Answer>;
  /** At once; what is under way rejects with `error`. */
  end(error: DriverError): void;
}

export interface LinkParts {
  readonly library: Library;
  readonly clientId: string;
  readonly options: ConnectionOptions;
  readonly broker: Broker;
  /** It has ended, in whichever way; `opened` if it had been open before. */
  readonly onEnd: (error: DriverError, opened: boolean) => void;
}

/** The largest time of a timer: the time limits are our own, as requests may be held back for different times. */
const NEVER = 2 ** 31 - 1;

export function openLink({ library, clientId, options, broker, onEnd }: LinkParts): Link {
  const connection = new library.Connection(clientId, {
    // Brokers behind a proxy are told apart by it; and Node sends none by itself, nor is one allowed for an IP address.
    tlsServerName: options.tls?.servername === undefined && !isIP(broker.host),
    ...options,
    requestTimeout: NEVER,
    maxInflights: Number.MAX_SAFE_INTEGER,
  });
  const pending = createPending();
  const where = `${broker.host}:${broker.port}`;
  let opened = false;
  let ended = false;

  const end = (error: DriverError): void => {
    if (ended) return;
    ended = true;
    pending.giveUp(error);
    // Its close waits until all is written, and ends the timer of the next login, which a lost socket leaves running.
    void connection.close();
    connection.socket?.on('error', () => undefined).destroy();
    onEnd(error, opened);
  };
  connection.on('error', (error) => end(driverError(error)));
  connection.on('close', () =>
    end(new DriverError('CONNECTION', `the connection to ${where} was lost`, { retryable: true })),
  );

  let versions = new Map<number, VersionRange>();
  const limit = options.connectTimeout ?? library.defaultOptions.connectTimeout;

  const connect = async (): Promise<void> => {
    try {
      await connection.connect(broker.host, broker.port);
      const { apiKeys } = await send(
        library.apiVersionsV3.api,
        library.clientSoftwareName,
        library.clientSoftwareVersion,
      );
      versions = new Map(apiKeys.map((each) => [each.apiKey, each]));
      opened = !ended;
    } catch (error) {
      const failure = driverError(error);
      end(failure);
      throw failure;
    }
  };

  const send = async <Request extends unknown[], Answer>(
    api: API<Request, Answer>,
    ...request: Request
  ): Promise<Answer> => {
    try {
      return await api.async(connection, ...request);
    } catch (error) {
      return answerOf(error);
    }
  };

  /** Old brokers end the connection for a request that they do not know. */
  const checkVersion = (name: string, { key, version }: API<never, unknown>): void => {
    const { minVersion = 0, maxVersion = -1 } = versions.get(key) ?? {};
    if (version >= minVersion && version <= maxVersion) return;
    const spoken = maxVersion < 0 ? 'none' : `${minVersion} to ${maxVersion}`;
    throw new DriverError(
      'UNSUPPORTED_VERSION',
      `${where} does not speak ${name} in version ${version}, only ${spoken}: it takes Kafka 2.4 or newer`,
      { retryable: false },
    );
  };

  const endLate = (late: DriverError): DriverError => {
    end(new DriverError('CONNECTION', late.message, { retryable: true }));
    return late;
  };

  return {
    open: pending.wait(limit, connect, () => endLate(timedOut(`the connection to ${where}`, limit))),
    get versions() {
      return versions;
    },
    end,
    ask(api, time, ...request) {
      const name = library.protocolAPIsById[api.key] ?? `request ${api.key}`;
      return pending.wait(
        time,
        async () => {
          checkVersion(name, api);
          // The broker ends a connection that asks something else while it logs in again.
          if (connection.status === 'reauthenticating') await connection.ready();
          return send(api, ...request);
        },
        () => endLate(timedOut(`${name} at ${where}`, time)),
      );
    },
  };
}

/** The library throws as soon as any part of an answer holds an error code: the whole answer is on its error. */
function answerOf<Answer>(error: unknown): Answer {
  const { code, response } = error as LibraryError;
  if (code !== 'PLT_KFK_RESPONSE' || response === undefined) throw driverError(error);
  return response as Answer;
}
