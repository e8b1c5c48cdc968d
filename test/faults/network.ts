import { freePorts } from '../../scripts/brokers/ports.mjs';
import { startToxiproxy } from '../../scripts/network/toxiproxy.mjs';

type Stream = 'upstream' | 'downstream';
type Toxic = 'reset_peer' | 'timeout' | 'latency' | 'bandwidth';

/** A way from applications to one address, and what a row can do to it. Each fault lasts until `mend`. */
export interface Way {
  /** `host:port`, where applications connect. */
  readonly address: string;
  /** Resets every connection, once; new ones are let through. */
  readonly cut: () => Promise<void>;
  /** Ends every connection and refuses new ones. */
  readonly close: () => Promise<void>;
  /** Connections stay, and what is sent vanishes, in both directions. */
  readonly swallow: () => Promise<void>;
  /** Connections stay, and what the broker answers vanishes; what is sent to it arrives. */
  readonly deafen: () => Promise<void>;
  /** Milliseconds on each packet's way, in each direction. */
  readonly slow: (ms: number) => Promise<void>;
  /** Kilobytes a second, in each direction. */
  readonly throttle: (kilobytes: number) => Promise<void>;
  readonly mend: () => Promise<void>;
}

export interface Network {
  /** @param port where it listens; one that is free unless told otherwise */
  readonly way: (to: string, port?: number) => Promise<Way>;
  readonly stop: () => Promise<void>;
}

export async function startNetwork(directory: string): Promise<Network> {
  const { api, stop } = await startToxiproxy({ directory });
  let ways = 0;

  const ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const answer = await fetch(`${api}${path}`, {
      method,
      // Toxiproxy refuses what looks as if a browser had sent it.
      headers: { 'user-agent': 'faults' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`toxiproxy: ${method} ${path}: ${await answer.text()}`);
    return answer.status === 204 ? undefined : answer.json();
  };

  return {
    stop,
    async way(to, port) {
      const name = `way-${++ways}`;
      const [free] = await freePorts(1);
      const { listen } = (await ask('POST', '/proxies', {
        name,
        listen: `127.0.0.1:${port ?? free}`,
        upstream: to,
      })) as { listen: string };
      const toxics = new Set<string>();
      const add = async (type: Toxic, stream: Stream, attributes: object): Promise<void> => {
        const toxic = `${type}-${stream}`;
        toxics.add(toxic);
        await ask('POST', `/proxies/${name}/toxics`, { name: toxic, type, stream, attributes });
      };
      const both = async (type: Toxic, attributes: object): Promise<void> => {
        for (const stream of ['upstream', 'downstream'] as const) await add(type, stream, attributes);
      };
      const enable = (enabled: boolean): Promise<unknown> => ask('POST', `/proxies/${name}`, { enabled });
      const mend = async (): Promise<void> => {
        for (const toxic of toxics) await ask('DELETE', `/proxies/${name}/toxics/${toxic}`);
        toxics.clear();
        await enable(true);
      };
      return {
        address: listen,
        mend,
        async cut() {
          await both('reset_peer', { timeout: 0 });
          await enable(false);
          await mend();
        },
        close: async () => void (await enable(false)),
        swallow: () => both('timeout', { timeout: 0 }),
        deafen: () => add('timeout', 'downstream', { timeout: 0 }),
        slow: (latency) => both('latency', { latency }),
        throttle: (rate) => both('bandwidth', { rate }),
      };
    },
  };
}
