import type { Partition } from '../driver/driver.js';

// What members of a group tell each other, in the format of Kafka's consumer protocol, version 0, so that Kafka's own
// tools can show who has what. https://kafka.apache.org/protocol#The_Messages_JoinGroup

/** What a member says when it joins. */
export interface Member {
  readonly topics: readonly string[];
  /** What it has from before, or is still busy with. */
  readonly owned: readonly Partition[];
  /** The generation in which it was given these; a later one outdoes an earlier one. */
  readonly generation: number;
}

/** One name for all drivers and versions of the module: members that share no protocol cannot share a group. */
export const PROTOCOL = 'nest-messaging';

const VERSION = 0;

/** Partitions of each topic. */
export type ByTopic = ReadonlyMap<string, readonly number[]>;

export function byTopic(partitions: Iterable<Partition>): ByTopic {
  const grouped = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const list = grouped.get(topic);
    if (list) list.push(partition);
    else grouped.set(topic, [partition]);
  }
  return grouped;
}

const int16 = (value: number): Buffer => {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(value);
  return buffer;
};

const int32 = (value: number): Buffer => {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
};

const string = (text: string): Buffer[] => {
  const bytes = Buffer.from(text);
  return [int16(bytes.length), bytes];
};

const bytes = (value: Buffer): Buffer[] => [int32(value.length), value];

/** Reads on from where it is. Throws a `RangeError` beyond the end. */
function reader(buffer: Buffer): { int16(): number; int32(): number; string(): string; bytes(): Buffer } {
  let at = 0;
  const take = (length: number): Buffer => {
    if (length < 0) return Buffer.alloc(0);
    if (at + length > buffer.length) throw new RangeError('the metadata ends too early');
    at += length;
    return buffer.subarray(at - length, at);
  };
  const self = {
    int16: () => take(2).readInt16BE(),
    int32: () => take(4).readInt32BE(),
    string: () => take(self.int16()).toString(),
    bytes: () => take(self.int32()),
  };
  return self;
}

const times = <T>(count: number, make: () => T): T[] => Array.from({ length: Math.max(0, count) }, make);

export function encodeMember({ topics, owned, generation }: Member): Buffer {
  const more = { owned: [...byTopic(owned)], generation };
  return Buffer.concat([
    int16(VERSION),
    int32(topics.length),
    ...topics.flatMap(string),
    ...bytes(Buffer.from(JSON.stringify(more))),
  ]);
}

/** What cannot be read, such as that of a later version, says no more than its topics. */
export function decodeMember(metadata: Buffer): Member {
  const read = reader(metadata);
  read.int16();
  const topics = times(read.int32(), () => read.string());
  try {
    const { owned, generation } = JSON.parse(read.bytes().toString()) as {
      owned: [string, number[]][];
      generation: number;
    };
    return {
      topics,
      owned: owned.flatMap(([topic, partitions]) => partitions.map((partition) => ({ topic, partition }))),
      generation,
    };
  } catch {
    return { topics, owned: [], generation: -1 };
  }
}

export function encodeAssignment(partitions: readonly Partition[]): Buffer {
  const topics = [...byTopic(partitions)];
  return Buffer.concat([
    int16(VERSION),
    int32(topics.length),
    ...topics.flatMap(([topic, list]) => [...string(topic), int32(list.length), ...list.map(int32)]),
    ...bytes(Buffer.alloc(0)),
  ]);
}

export function decodeAssignment(assignment: Buffer): Partition[] {
  // A member may be given nothing at all.
  if (assignment.length === 0) return [];
  const read = reader(assignment);
  read.int16();
  return times(read.int32(), () => {
    const topic = read.string();
    return times(read.int32(), () => ({ topic, partition: read.int32() }));
  }).flat();
}
