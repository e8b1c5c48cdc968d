import type { Socket } from 'node:net';
import {
  ClosedError,
  type Clock,
  type ConnectionError,
  type HealthPart,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { connect as amqpConnect, type ChannelModel, type RecoveringChannelModel } from 'amqplib';
import type { Address } from './address.js';
import { connectionError, replyCode, withoutUser } from './errors.js';
import type { ClientOptions } from './options.js';

/** A connection that amqplib restores. What was made on it (channels, consumers) is for its users to make anew. */
export interface Connection {
  readonly address: Address;
  /** Connects for the first time, within the time limit. Later calls answer the same. */
  open(): Promise<void>;
  /** The connection as it is now; undefined while there is none. */
  readonly model: ChannelModel | undefined;
  /** Why the broker takes no publishes at present: one of its alarms. */
  readonly blocked: string | undefined;
  /** The broker's protocol error that ended the last connection, where it was one. */
  readonly protocolError: Error | undefined;
  /** Calls back at each connection from now on, and at once if there is one. */
  onUp(callback: (model: ChannelModel) => void): () => void;
  onUnblocked(callback: () => void): () => void;
  health(): HealthPart;
  /** Never rejects; safe to call twice. */
  close(): Promise<void>;
}

export interface ConnectionParts {
  readonly address: Address;
  readonly client: ClientOptions;
  /** For the broker's own list of connections, and for people. */
  readonly label: string;
  /** Milliseconds. */
  readonly timeout: number;
  readonly clock: Clock;
  readonly report: (event: TransportEvent) => void;
}

/** What the closing handshake may take: on a connection whose packets vanish it never ends. */
const CLOSE_WITHIN = 3_000;
/** What one attempt to connect may take, so that a broker that accepts and then says nothing is tried again. */
const ATTEMPT_WITHIN = 10_000;

/** amqplib hands it out nowhere else. */
const socketOf = (model: ChannelModel): Socket | undefined =>
  (model.connection as unknown as { stream?: Socket }).stream;

/**
 * After a heartbeat was missed or a closing handshake failed, amqplib only half-closes the socket: it would wait for
 * packets that no longer come, and keep the process alive. With an error, since amqplib stops its heartbeats for that
 * alone.
 */
function destroySocket(model: ChannelModel): void {
  socketOf(model)?.destroy(new Error('the connection was given up'));
}

/**
 * What is written in one turn of the event loop goes to the operating system at once. amqplib writes each message by
 * itself while many are published, and each acknowledgement: a call of the system that costs more than all else that is
 * done for one.
 */
function gatherWrites(socket: Socket): void {
  const write = socket.write.bind(socket) as (...chunk: unknown[]) => boolean;
  let gathering = false;
  socket.write = (...chunk: unknown[]): boolean => {
    if (!gathering) {
      gathering = true;
      socket.cork();
      process.nextTick(() => {
        gathering = false;
        socket.uncork();
      });
    }
    return write(...chunk);
  };
}

export function createConnection(parts: ConnectionParts): Connection {
  const { address, client, label, clock, report } = parts;
  const ups = new Set<(model: ChannelModel) => void>();
  const unblocks = new Set<() => void>();
  let recovering: RecoveringChannelModel | undefined;
  let opening: Promise<void> | undefined;
  let closing: Promise<void> | undefined;
  let model: ChannelModel | undefined;
  let blocked: string | undefined;
  let protocolError: Error | undefined;
  let reason = 'not connected yet';
  let gaveUp = false;

  const unblock = (): void => {
    if (blocked === undefined) return;
    blocked = undefined;
    report({ type: 'unblocked' });
    for (const callback of unblocks) callback();
  };

  const watch = (connection: RecoveringChannelModel): void => {
    connection.on('connect', (connected) => {
      model = connected;
      const socket = socketOf(connected);
      if (socket) gatherWrites(socket);
      protocolError = undefined;
      report({ type: 'connected', to: `${address.shown} (${label})` });
      for (const callback of ups) callback(connected);
    });
    connection.on('disconnect', (error) => {
      const lost = model;
      model = undefined;
      if (lost) destroySocket(lost);
      unblock();
      reason = `disconnected: ${(withoutUser(error) as Error).message}`;
      report({ type: 'disconnected', from: `${address.shown} (${label})`, error: withoutUser(error) });
    });
    connection.on('connect-failed', (error) => {
      reason = connectionError(address, error).message;
    });
    // Only if the application limited the attempts, by an option of amqplib's.
    connection.on('reconnect-failed', (error) => {
      reason = `gave up connecting: ${(withoutUser(error) as Error).message}`;
      gaveUp = true;
    });
    connection.on('blocked', (why) => {
      blocked = why;
      report({ type: 'blocked', reason: why });
    });
    connection.on('unblocked', unblock);
    // Comes before 'disconnect', and tells more: whether the broker closed it because of something we did.
    connection.on('error', (error) => {
      protocolError = replyCode(error) === undefined ? undefined : error;
    });
    connection.on('handler-error', (error) => {
      report({
        type: 'warning',
        message: `a listener of the ${label} connection to ${address.shown} threw`,
        error,
      });
    });
  };

  const start = async (): Promise<void> => {
    const {
      recovery,
      heartbeat: _,
      frameMax: _f,
      maxFrameSize: _m,
      channelMax: _c,
      locale: _l,
      ...socket
    } = client;
    const connection = await amqpConnect(address.target, {
      timeout: Math.min(parts.timeout, ATTEMPT_WITHIN),
      ...socket,
      clientProperties: { connection_name: label, ...client.clientProperties },
      // Listeners first, and a time limit of our own: amqplib counts attempts, not time.
      recovery: { ...recovery, waitForConnect: false },
    });
    recovering = connection;
    watch(connection);
    try {
      await new Promise<void>((resolve, reject) => {
        let last: ConnectionError | undefined;
        const cancel = clock.schedule(() => {
          reject(last ?? connectionError(address, new Error(`no answer within ${parts.timeout} ms`)));
        }, parts.timeout);
        connection.on('connect-failed', (error) => {
          last = connectionError(address, error);
          if (last.retryable) return;
          cancel();
          reject(last);
        });
        connection.waitForConnect().then(
          () => {
            cancel();
            resolve();
          },
          () => {
            cancel();
            reject(
              last ?? new ClosedError(`the transport was closed while it connected to ${address.shown}`),
            );
          },
        );
      });
    } catch (error) {
      reason = (error as Error).message;
      recovering = undefined;
      await connection.close();
      throw error;
    }
  };

  const end = async (): Promise<void> => {
    const connection = recovering;
    const last = model;
    reason = 'closed';
    if (!connection) return;
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => (cancel = clock.schedule(resolve, CLOSE_WITHIN)));
    // A connection lost while it closes answers nothing either, but says so.
    const lost = new Promise<void>((resolve) => last?.once('close', () => resolve()));
    await Promise.race([connection.close(), lost, late]);
    cancel();
    model = undefined;
    if (last) destroySocket(last);
  };

  return {
    address,
    get model() {
      return model;
    },
    get blocked() {
      return blocked;
    },
    get protocolError() {
      return protocolError;
    },
    open() {
      if (closing) return Promise.reject(new ClosedError('the transport is closed'));
      opening ??= start().catch((error: unknown) => {
        opening = undefined;
        throw error;
      });
      return opening;
    },
    onUp(callback) {
      ups.add(callback);
      if (model) callback(model);
      return () => ups.delete(callback);
    },
    onUnblocked(callback) {
      unblocks.add(callback);
      return () => unblocks.delete(callback);
    },
    health() {
      const name = `${label} connection to ${address.shown}`;
      if (!model) return { name, ready: false, reason, ...(gaveUp && { gaveUp }) };
      return blocked === undefined
        ? { name, ready: true }
        : { name, ready: false, reason: `blocked by the broker: ${blocked}` };
    },
    close() {
      closing ??= end();
      return closing;
    },
  };
}
