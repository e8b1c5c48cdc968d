import { keyOf } from '../../src/driver/by-topic.js';
import type { DriverError } from '../../src/driver/driver-error.js';
import type { NewRecord } from '../../src/driver/driver.js';
import { grouped } from '../../src/driver/grouped.js';
import { createProducer, type Producer } from '../../src/producer/producer.js';

type Outcome = DriverError | undefined;

/** A producer that places records and writes them, as the publisher does, for tests that want no more than that. */
export interface SendingProducer extends Producer {
  /** Answers in their order what became of each. Never rejects. @param timeout milliseconds */
  send(records: readonly NewRecord[], timeout: number): Promise<readonly Outcome[]>;
}

export function sendingProducer(...parts: Parameters<typeof createProducer>): SendingProducer {
  const producer = createProducer(...parts);
  return {
    ...producer,
    async send(records, timeout) {
      const deadline = performance.now() + timeout;
      const outcomes: Outcome[] = records.map(() => undefined);
      const partitions = await producer.place(records, timeout);
      const placed = records.flatMap((record, index) => {
        const partition = partitions[index]!;
        if (typeof partition === 'number') return [{ index, record, topic: record.topic, partition }];
        outcomes[index] = partition;
        return [];
      });
      const each = [...grouped(placed, keyOf).values()].map(async (queue) => {
        const own = queue.map(({ record }) => record);
        await producer.write(queue[0]!, own, deadline - performance.now(), {
          settled: (at, outcome) => (outcomes[queue[at]!.index] = outcome),
          refused: () => undefined,
        });
      });
      await Promise.all(each);
      return outcomes;
    },
  };
}
