import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type PeerCertificate, type TLSSocket } from 'node:tls';

/** The last hop before a broker, kept by the test itself: it knows who came, and what was said. */
export interface Door {
  readonly port: number;
  /** Connections so far. */
  readonly came: number;
  /** Packets from clients so far. */
  readonly packets: number;
  /** How each connection began to speak. */
  readonly heard: readonly Buffer[];
  /** Resets all connections, once. */
  readonly cut: () => void;
  readonly close: () => Promise<void>;
}

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

export interface TlsDoor extends Door {
  /** Bytes that came out of TLS for the broker, on connections to which this certificate was shown. */
  readonly passedUnder: (certificate: Certificate) => number;
  /** Shows this certificate to those who come from now on. */
  readonly present: (certificate: Certificate) => void;
}

/** Of what a connection said; no handshake that is refused takes more. */
const KEPT = 16 * 1024;

const addressOf = (text: string): { host: string; port: number } => {
  const { hostname, port } = new URL(`tcp://${text}`);
  return { host: hostname, port: Number(port) };
};

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Joins two sockets for good: where one ends, so does the other. */
function join(one: Socket, other: Socket): void {
  one.pipe(other).pipe(one);
  for (const [each, its] of [
    [one, other],
    [other, one],
  ] as const)
    each.on('error', () => {}).on('close', () => its.destroy());
}

/** @param to `host:port` */
export async function openDoor(to: string, at = 0): Promise<Door> {
  const sockets = new Set<Socket>();
  const heard: Buffer[] = [];
  let packets = 0;
  const server = createServer((client) => {
    const index = heard.push(Buffer.alloc(0)) - 1;
    sockets.add(client);
    client.on('close', () => sockets.delete(client));
    client.on('data', (bytes) => {
      packets++;
      if (heard[index]!.length < KEPT) heard[index] = Buffer.concat([heard[index]!, bytes]);
    });
    join(client, connect(addressOf(to)));
  });
  const cut = (): void => sockets.forEach((socket) => socket.resetAndDestroy());
  return {
    port: await listen(server, at),
    get came() {
      return heard.length;
    },
    get packets() {
      return packets;
    },
    heard,
    cut,
    async close() {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}

/** A door on which TLS is spoken; what comes out of it goes to a broker that speaks none. */
export async function openTlsDoor(to: string, at: number, certificate: Certificate): Promise<TlsDoor> {
  const passed = new Map<string, number>();
  const inner = createTlsServer(certificate, (client: TLSSocket) => {
    // Not the one that is shown by now: a handshake may have begun before it was.
    const { fingerprint256 } = client.getCertificate() as PeerCertificate;
    client.on('data', ({ length }: Buffer) =>
      passed.set(fingerprint256, (passed.get(fingerprint256) ?? 0) + length),
    );
    join(client, connect(addressOf(to)));
  });
  // Those who do not trust the certificate say so here, and the row sees it in the application.
  inner.on('tlsClientError', () => {});
  const door = await openDoor(`127.0.0.1:${await listen(inner, 0)}`, at);
  return {
    ...door,
    get came() {
      return door.came;
    },
    get packets() {
      return door.packets;
    },
    passedUnder: ({ cert }) => passed.get(new X509Certificate(cert).fingerprint256) ?? 0,
    present: (next) => inner.setSecureContext(next),
    async close() {
      await door.close();
      const closed = once(inner, 'close');
      inner.close();
      await closed;
    },
  };
}

/** Whether all of it is TLS, as far as it was kept: records of a known type, one after another. */
export function isTls(heard: Buffer): boolean {
  const [changeCipherSpec, applicationData, version] = [20, 23, 3];
  let at = 0;
  while (at + 5 <= heard.length) {
    const type = heard[at]!;
    if (type < changeCipherSpec || type > applicationData || heard[at + 1] !== version) return false;
    at += 5 + heard.readUInt16BE(at + 3);
  }
  return heard.length === 0 || at > 0;
}
