import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

/** A way to a Kafka broker that a test can cut, or make swallow answers. The broker's clients stay with it. */
export interface Proxy {
  /** `host:port` */
  readonly broker: string;
  /** Connections open at present. */
  readonly connections: number;
  /** Resets every connection; new ones are let through. */
  cut(): void;
  /** Cuts, and refuses new ones until the answer is called. */
  away(): Promise<() => Promise<void>>;
  /** Keeps the broker's next answer to a request of this kind to itself. Resolves when it has. */
  swallow(apiKey: number): Promise<void>;
  /** Resets the connection instead of passing on the next answer to a request of this kind. */
  cutInsteadOf(apiKey: number): Promise<void>;
  /** Lets no answers through at all, until the answer is called. */
  silence(): () => void;
  close(): Promise<void>;
}

export const PRODUCE = 0;
export const FETCH = 1;
const SASL_HANDSHAKE = 17;
const SASL_AUTHENTICATE = 36;
const SASL_AUTHENTICATION_FAILED = 58;
const UNSUPPORTED_SASL_MECHANISM = 33;

/** What the proxy asks of clients, and the broker behind it does not. */
export interface Guard {
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly mechanism?: string;
  /** Told what the client sent to log in; one message is all of it. */
  readonly admits?: (login: string) => boolean;
}

/**
 * A broker tells its clients its own address; wherever it does, the proxy's stands instead.
 * @param to `host:port`, as the broker tells it
 */
export async function startProxy(to: string, guard: Guard = {}): Promise<Proxy> {
  const colon = to.lastIndexOf(':');
  const host = to.slice(0, colon);
  const targetPort = Number(to.slice(colon + 1));
  const sockets = new Set<Socket>();
  let trap: { apiKey: number; spring: () => 'swallow' | 'cut' } | undefined;
  let silent = false;
  let server: Server;
  let port = 0;

  const accept = (client: Socket): void => {
    const broker = connect(targetPort, host);
    const asked = new Map<number, number>();
    const requests = frames((frame) => {
      const answer = guard.mechanism && login(frame, guard);
      if (answer) return void client.write(answer);
      asked.set(frame.readInt32BE(8), frame.readInt16BE(4));
      broker.write(frame);
    });
    const answers = frames((frame) => {
      const apiKey = asked.get(frame.readInt32BE(4));
      asked.delete(frame.readInt32BE(4));
      if (silent) return;
      if (trap?.apiKey === apiKey) {
        const { spring } = trap!;
        trap = undefined;
        if (spring() === 'cut') client.resetAndDestroy();
        return;
      }
      client.write(readdressed(frame));
    });
    for (const [from, into, pass] of [
      [client, broker, requests],
      [broker, client, answers],
    ] as const) {
      sockets.add(from);
      // As Kafka and its clients have it: else what follows an unconfirmed packet waits for 40 ms.
      from.setNoDelay(true);
      from.on('data', pass);
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        into.destroy();
      });
    }
  };

  /** The host's name is followed by the port, in every answer that tells an address. */
  const readdressed = (frame: Buffer): Buffer => {
    const ownAddress = address(host, targetPort);
    for (let at = frame.indexOf(ownAddress); at >= 0; at = frame.indexOf(ownAddress, at + 1)) {
      frame.writeInt32BE(port, at + host.length);
    }
    return frame;
  };

  const listen = (on: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server = guard.tls ? createTlsServer(guard.tls, accept) : createServer(accept);
      server.once('error', reject);
      server.listen(on, '127.0.0.1', () => resolve());
    });

  const cut = (): void => {
    for (const socket of sockets) {
      // TLS cannot be reset.
      if (socket.writableEnded || guard.tls) socket.destroy();
      else socket.resetAndDestroy();
    }
  };

  const shut = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      cut();
    });

  const setTrap = (apiKey: number, how: 'swallow' | 'cut'): Promise<void> =>
    new Promise((resolve) => {
      trap = {
        apiKey,
        spring: () => {
          resolve();
          return how;
        },
      };
    });

  await listen(0);
  port = (server!.address() as AddressInfo).port;
  return {
    broker: `127.0.0.1:${port}`,
    get connections() {
      return sockets.size / 2;
    },
    cut,
    async away() {
      await shut();
      return () => listen(port);
    },
    swallow: (apiKey) => setTrap(apiKey, 'swallow'),
    cutInsteadOf: (apiKey) => setTrap(apiKey, 'cut'),
    silence() {
      silent = true;
      return () => {
        silent = false;
      };
    },
    close: shut,
  };
}

/** Answers to a client that logs in; nothing where it asks for something else. */
function login(frame: Buffer, { mechanism = '', admits = () => true }: Guard): Buffer | undefined {
  const apiKey = frame.readInt16BE(4);
  const version = frame.readInt16BE(6);
  const correlation = frame.subarray(8, 12);
  const body = frame.subarray(14 + Math.max(frame.readInt16BE(12), 0));
  if (apiKey === SASL_HANDSHAKE) {
    const asked = body.subarray(2).toString();
    const known = Buffer.concat([int32(1), int16(mechanism.length), Buffer.from(mechanism)]);
    return framed(correlation, int16(asked === mechanism ? 0 : UNSUPPORTED_SASL_MECHANISM), known);
  }
  if (apiKey !== SASL_AUTHENTICATE) return undefined;
  const admitted = admits(body.toString());
  const error = int16(admitted ? 0 : SASL_AUTHENTICATION_FAILED);
  const lifetime = version >= 1 ? Buffer.alloc(8) : Buffer.alloc(0);
  // From version 2 on lengths are one more, and in one byte as long as they are small; and there are tags.
  const none = Buffer.alloc(1);
  if (version >= 2) return framed(correlation, none, error, none, Buffer.from([1]), lifetime, none);
  return framed(correlation, error, int16(-1), int32(0), lifetime);
}

function framed(...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([int32(content.length), content]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function address(host: string, port: number): Buffer {
  const bytes = Buffer.alloc(host.length + 4);
  bytes.write(host);
  bytes.writeInt32BE(port, host.length);
  return bytes;
}

/** Kafka's requests and answers alike begin with their length. */
function frames(each: (frame: Buffer) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE()) {
      const length = 4 + rest.readInt32BE();
      each(Buffer.from(rest.subarray(0, length)));
      rest = rest.subarray(length);
    }
  };
}
