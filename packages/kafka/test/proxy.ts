import { createServer, connect, type Server, type Socket } from 'node:net';

/** A way to the broker that a test can cut, close, or make swallow what is sent. */
export interface Proxy {
  /** `host:port`. */
  readonly address: string;
  /** Resets every connection; new ones are let through. */
  cut(): void;
  /** Cuts, and refuses new ones until the answer is called. */
  away(): Promise<() => Promise<void>>;
  /** Lets nothing through in either direction, and says nothing, until the answer is called. */
  swallow(): () => void;
  close(): Promise<void>;
}

const LENGTH = 4;

/** A host and port as they stand in the broker's answers. */
function inAnswer(host: string, port: number): Buffer {
  const bytes = Buffer.alloc(host.length + 4);
  bytes.write(host);
  bytes.writeInt32BE(port, host.length);
  return bytes;
}

/**
 * A Kafka tells its clients where its nodes are, and there they go. So that they stay with the proxy, the node's
 * address is replaced in every answer by the proxy's, which is just as long.
 */
export async function startProxy(to: string): Promise<Proxy> {
  const [host, port] = to.split(':') as [string, string];
  const sockets = new Set<Socket>();
  let swallowing = false;
  let server: Server;
  let real: Buffer;
  let own: Buffer;

  const replaced = (frame: Buffer): Buffer => {
    for (let at = frame.indexOf(real); at >= 0; at = frame.indexOf(real, at)) own.copy(frame, at);
    return frame;
  };

  /** Answers one by one, so that an address is never cut in two. */
  const answers = (into: Socket): ((bytes: Buffer) => void) => {
    let rest: Buffer = Buffer.alloc(0);
    return (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= LENGTH && rest.length >= LENGTH + rest.readInt32BE()) {
        const end = LENGTH + rest.readInt32BE();
        into.write(replaced(rest.subarray(0, end)));
        rest = rest.subarray(end);
      }
    };
  };

  const accept = (client: Socket): void => {
    const broker = connect(Number(port), host);
    const toClient = answers(client);
    for (const [from, into, pass] of [
      [client, broker, (bytes: Buffer) => void broker.write(bytes)],
      [broker, client, toClient],
    ] as const) {
      sockets.add(from);
      // As Kafka and its clients have it: else what follows an unconfirmed packet waits for 40 ms.
      from.setNoDelay(true);
      from.on('data', (bytes: Buffer) => {
        if (!swallowing) pass(bytes);
      });
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        into.destroy();
      });
    }
  };

  const listen = (at: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server = createServer(accept);
      server.once('error', reject);
      server.listen(at, host, () => resolve());
    });

  const cut = (): void => {
    // Node never lets go of a socket that is reset while it ends.
    for (const socket of sockets) {
      if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  };

  const shut = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      cut();
    });

  await listen(0);
  const { port: mine } = server!.address() as { port: number };
  real = inAnswer(host, Number(port));
  own = inAnswer(host, mine);
  return {
    address: `${host}:${mine}`,
    cut,
    async away() {
      await shut();
      return () => listen(mine);
    },
    swallow() {
      swallowing = true;
      return () => {
        swallowing = false;
      };
    },
    close: shut,
  };
}
