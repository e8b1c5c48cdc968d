import { createServer, connect, type Server, type Socket } from 'node:net';

/** A way to the broker that a test can cut, close, or make swallow what is sent. */
export interface Proxy {
  readonly url: string;
  /** Connections open at present. */
  readonly connections: number;
  /** Resets every connection; new ones are let through. */
  cut(): void;
  /** Cuts, and refuses new ones until the answer is called. */
  away(): Promise<() => Promise<void>>;
  /** Lets nothing through in either direction, and says nothing, until the answer is called. */
  swallow(): () => void;
  /** Holds back what the broker says for so many milliseconds, from now on. */
  delay(ms: number): void;
  close(): Promise<void>;
}

/** @param watch called for each connection; what it answers sees all that the client sends on it */
export async function startProxy(to: string, watch?: () => (bytes: Buffer) => void): Promise<Proxy> {
  const target = new URL(to);
  const sockets = new Set<Socket>();
  let swallowing = false;
  let delay = 0;
  let server: Server;

  const accept = (client: Socket): void => {
    const broker = connect(Number(target.port || 5672), target.hostname);
    const see = watch?.();
    if (see) client.on('data', see);
    for (const [from, into] of [
      [client, broker],
      [broker, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => {
        if (swallowing) return;
        if (delay === 0 || from === client) into.write(bytes);
        else setTimeout(() => into.write(bytes), delay);
      });
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        into.destroy();
      });
    }
  };

  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server = createServer(accept);
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => resolve());
    });

  const shut = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      cut();
    });

  const cut = (): void => {
    // Node never lets go of a socket that is reset while it ends.
    for (const socket of sockets) {
      if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  };

  await listen(0);
  const { port } = server!.address() as { port: number };
  const url = new URL(to);
  url.hostname = '127.0.0.1';
  url.port = `${port}`;
  return {
    url: url.href.replace(/\/$/, ''),
    get connections() {
      return sockets.size / 2;
    },
    cut,
    async away() {
      await shut();
      return () => listen(port);
    },
    swallow() {
      swallowing = true;
      return () => {
        swallowing = false;
      };
    },
    delay(ms) {
      delay = ms;
    },
    close: shut,
  };
}
