import { InvalidMessageError } from './errors.js';
import type { Headers } from './message.js';

/** Prefix of the module's own headers on every broker. */
export const MODULE_PREFIX = 'nm-';

/**
 * Prefixes of the module's and CloudEvents' headers on the brokers' wires, and of those that RabbitMQ writes beside
 * `x-death`: users' headers may not look like them.
 */
const RESERVED_PREFIXES = [
  MODULE_PREFIX,
  'ce-',
  'ce_',
  'cloudevents:',
  'cloudevents_',
  'x-first-death-',
  'x-last-death-',
];

/** Names that a broker takes for instructions: RabbitMQ sends copies to `CC` and `BCC` and writes `x-death` itself. */
const RESERVED_NAMES = new Set([
  'cc',
  'bcc',
  'x-death',
  'x-delay',
  'x-delivery-count',
  'x-acquired-count',
  'content-type',
  '__proto__',
]);

/** Header names: the token of HTTP, so that bridges to HTTP keep them. */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * What keeps text from arriving as it is; undefined for all other text. NUL, CR and LF would split or end a header
 * wherever it is written as a line. Half a character is what is left of an emoji cut in two: UTF-8 has no bytes for it,
 * so that brokers would carry another character in its place.
 */
export function flawOf(text: string): 'NUL, CR or LF' | 'half a character' | undefined {
  // oxlint-disable-next-line no-control-regex
  if (/[\0\r\n]/.test(text)) return 'NUL, CR or LF';
  return /\p{Surrogate}/u.test(text) ? 'half a character' : undefined;
}

/** @throws {InvalidMessageError} naming the header, never its value */
export function checkHeaders(headers: Headers): void {
  for (const [name, value] of Object.entries(headers)) {
    const shown = JSON.stringify(name);
    if (!NAME.test(name))
      throw new InvalidMessageError(
        `header name ${shown} holds a forbidden character: use letters, digits and -_.`,
      );
    const lower = name.toLowerCase();
    if (RESERVED_NAMES.has(lower) || RESERVED_PREFIXES.some((prefix) => lower.startsWith(prefix)))
      throw new InvalidMessageError(
        `header ${shown} is reserved for the broker or the module: choose another name`,
      );
    if (typeof value !== 'string')
      throw new InvalidMessageError(`header ${shown} is ${typeof value}: expected text`);
    const flaw = flawOf(value);
    if (flaw) throw new InvalidMessageError(`header ${shown} holds ${flaw}: remove it`);
  }
}
