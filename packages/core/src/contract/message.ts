/** Text by name. Names are case-sensitive; what a broker calls headers, attributes or properties. */
export type Headers = Readonly<Record<string, string>>;

/** Where a message goes: to a topic, whose every subscription gets it, or to a queue, one of whose workers gets it. */
export interface Destination {
  readonly kind: 'topic' | 'queue';
  readonly name: string;
}

/** A message as the engine and every transport see it: bytes and metadata, nothing of a broker. */
export interface Message {
  /** Unique per publish; a repeated publish that reuses it is a duplicate. CloudEvents `id`. */
  readonly id: string;
  /** On delivery: the topic it was published under (never a pattern), or the queue. CloudEvents `type`. */
  readonly destination: Destination;
  /** The payload's bytes and nothing else. */
  readonly body: Uint8Array;
  /** Media type of `body`. CloudEvents `datacontenttype`. */
  readonly contentType: string;
  /** The application's own headers. */
  readonly headers: Headers;
  /** Messages of one key keep their order where the subscription is `ordered`. CloudEvents `partitionkey`. */
  readonly key?: string;
  /** Who published it, `/<namespace>/<service>`. CloudEvents `source`. */
  readonly source?: string;
  /** When it was published, in milliseconds since 1970. CloudEvents `time`. */
  readonly publishedAt?: number;
  /** Published with a delay: no sooner than this was it to be delivered, in milliseconds since 1970. */
  readonly dueAt?: number;
  /** Shared by all messages of one conversation. */
  readonly correlationId?: string;
  /** `id` of the message whose handling published this one. */
  readonly causationId?: string;
  /** From when on nobody wants it any more, in milliseconds since 1970. The engine discards it then, not the broker. */
  readonly expiresAt?: number;
  /** The contract's version, where it has one. */
  readonly version?: string;
}

/** A message on its way to the broker. */
export interface OutgoingMessage extends Message {
  /** Milliseconds until it may be delivered; 0 is at once. */
  readonly delay: number;
  /** The contract declares order by key: transports that need to know at publishing do. */
  readonly ordered: boolean;
  /** What the caller gave under the transport's own name; only that transport reads it. */
  readonly brokerOptions?: unknown;
}
