import type { Options } from 'amqplib';
import { defaults, type ClientOptions } from './options.js';

/** Where the broker is: once for amqplib, once for people. */
export interface Address {
  /** `host:port`: all that errors and logs may say of a URL. */
  readonly shown: string;
  readonly vhost: string;
  readonly user: string;
  readonly target: Options.Connect;
}

const number = (text: string | null): number | undefined => (text === null ? undefined : Number(text));

/**
 * Taken apart here rather than in amqplib, which takes the limits only from the URL's query when it is given a URL,
 * and only from the object when it is given an object.
 */
export function parseAddress(url: string, client: ClientOptions): Address {
  const { protocol, hostname, port, username, password, pathname, searchParams } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '') || 'localhost';
  const at = Number(port) || (protocol === 'amqps:' ? 5671 : 5672);
  // A single slash names no virtual host, hence the default one; amqplib decodes what it is given.
  const vhost = pathname.length > 1 ? pathname.slice(1) : '%2f';
  return {
    shown: `${hostname || 'localhost'}:${at}`,
    vhost: decodeURIComponent(vhost),
    // By amqplib's default, where none is given.
    user: username === '' && password === '' ? 'guest' : decodeURIComponent(username),
    target: {
      protocol: protocol.slice(0, -1),
      hostname: host,
      port: at,
      ...(username !== '' || password !== ''
        ? { username: decodeURIComponent(username), password: decodeURIComponent(password) }
        : {}),
      vhost,
      heartbeat: client.heartbeat ?? number(searchParams.get('heartbeat')) ?? defaults.heartbeat,
      frameMax: client.frameMax ?? number(searchParams.get('frameMax')),
      maxFrameSize: client.maxFrameSize ?? number(searchParams.get('maxFrameSize')),
      channelMax: client.channelMax ?? number(searchParams.get('channelMax')),
      locale: client.locale ?? searchParams.get('locale') ?? undefined,
    },
  };
}
