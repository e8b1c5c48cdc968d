/** What a client has declared, as it stands on the wire; the broker itself lists it to its administrator alone. */
export interface Declared {
  readonly kind: 'exchange' | 'queue' | 'binding';
  readonly name: string;
}

const METHOD_FRAME = 1;
/** Type, channel and size before the payload, and a byte behind it. */
const FRAME = { before: 7, behind: 1 };
const PROTOCOL_HEADER = 8;

/** Class and method of each, in AMQP 0-9-1. */
const METHODS: Readonly<
  Record<string, (read: () => string, passive: () => boolean) => Declared | undefined>
> = {
  '40.10': (read, passive) => {
    const [name] = [read(), read()];
    return passive() ? undefined : { kind: 'exchange', name };
  },
  '40.30': (read) => {
    const [destination, source] = [read(), read()];
    return { kind: 'binding', name: `${source} → ${destination}` };
  },
  '50.10': (read, passive) => {
    const name = read();
    return passive() ? undefined : { kind: 'queue', name };
  },
  '50.20': (read) => {
    const [queue, exchange] = [read(), read()];
    return { kind: 'binding', name: `${exchange} → ${queue}` };
  },
};

function readMethod(payload: Buffer): Declared | undefined {
  const method = METHODS[`${payload.readUInt16BE(0)}.${payload.readUInt16BE(2)}`];
  // Each begins with two reserved bytes.
  let at = 6;
  const text = (): string => {
    const begin = at + 1;
    at = begin + payload.readUInt8(at);
    return payload.toString('utf8', begin, at);
  };
  return method?.(text, () => (payload.readUInt8(at) & 1) === 1);
}

/** Reads what one connection sends, piece by piece, and tells `found` of each declaration. */
export function declarationsIn(found: (declared: Declared) => void): (bytes: Buffer) => void {
  let rest = Buffer.alloc(0);
  let begun = false;
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    if (!begun && rest.length >= PROTOCOL_HEADER) {
      rest = rest.subarray(PROTOCOL_HEADER);
      begun = true;
    }
    while (begun && rest.length >= FRAME.before) {
      const size = rest.readUInt32BE(3);
      const end = FRAME.before + size + FRAME.behind;
      if (rest.length < end) return;
      const declared =
        rest[0] === METHOD_FRAME && size >= 4
          ? readMethod(rest.subarray(FRAME.before, FRAME.before + size))
          : undefined;
      if (declared) found(declared);
      rest = rest.subarray(end);
    }
  };
}
