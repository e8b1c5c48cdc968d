import secureJson from 'secure-json-parse';
import { InvalidMessageError, UndecodableError } from '../contract/index.js';

/** Turns payloads into bytes and back. */
export interface Codec {
  /** Media type of what `encode` makes. */
  readonly contentType: string;
  /**
   * Bytes of their own for each call: they are sent later, and not copied before.
   * @throws {InvalidMessageError} if the payload cannot be encoded
   */
  encode(payload: unknown): Uint8Array;
  /** @throws {UndecodableError} whose message holds nothing of the body */
  decode(body: Uint8Array, contentType: string): unknown;
}

/** `fatal`: cut or foreign encodings are poison, not question marks. A byte-order mark is skipped. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

function text(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch {
    throw new UndecodableError(`the body (${body.byteLength} bytes) is not UTF-8`);
  }
}

const POLLUTION = { protoAction: 'error', constructorAction: 'error' } as const;

function harmless(json: string): boolean {
  try {
    secureJson.parse(json, POLLUTION);
    return true;
  } catch {
    return false;
  }
}

/**
 * JSON in UTF-8 (RFC 8259), whatever media type a foreign producer gave it. Refuses the keys `__proto__` and
 * `constructor.prototype`, on both ends, so that no payload can pollute a prototype where it is merged.
 */
export const jsonCodec: Codec = {
  contentType: 'application/json',
  encode(payload) {
    let json: string | undefined;
    try {
      json = JSON.stringify(payload);
    } catch (cause) {
      throw new InvalidMessageError('the payload cannot be written as JSON', { cause });
    }
    if (json !== undefined && /"(?:__proto__|constructor)"/.test(json) && !harmless(json))
      throw new InvalidMessageError(
        'the payload has a key that pollutes prototypes: __proto__, or constructor.prototype',
      );
    if (json === undefined)
      throw new InvalidMessageError(`the payload is ${typeof payload}: JSON has no such value`);
    return Buffer.from(json);
  },
  decode(body) {
    const json = text(body);
    try {
      return secureJson.parse(json, POLLUTION);
    } catch {
      // The parser's own message quotes the body, which may hold what nobody should read in a log.
      throw new UndecodableError(
        `the body (${body.byteLength} bytes) is not JSON, or has a key that pollutes prototypes`,
      );
    }
  },
};
