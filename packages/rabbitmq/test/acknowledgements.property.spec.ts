import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { ConsumeMessage } from 'amqplib';
import fc from 'fast-check';
import { createAcknowledgements, type Acknowledgements } from '../src/acknowledgements.js';

/** What a broker knows of one channel: what it has delivered, and waits for. */
function createChannel(): {
  readonly waiting: Set<number>;
  readonly told: [tag: number, multiple: boolean][];
  /** What this process knows to be told. */
  readonly known: number[];
  readonly acknowledgements: Acknowledgements;
  close(): void;
} {
  const waiting = new Set<number>();
  const told: [number, boolean][] = [];
  const ack = ({ fields }: ConsumeMessage, upTo = false): void => {
    told.push([fields.deliveryTag, upTo]);
    for (const tag of waiting)
      if (tag === fields.deliveryTag || (upTo && tag < fields.deliveryTag)) waiting.delete(tag);
  };
  let open = true;
  const known: number[] = [];
  const acknowledgements = createAcknowledgements({
    channel: { ack } as never,
    tell(send) {
      if (open) send();
      return open;
    },
    told: ({ fields }) => known.push(fields.deliveryTag),
  });
  return { waiting, told, known, acknowledgements, close: () => void (open = false) };
}

const delivery = (deliveryTag: number): ConsumeMessage => ({ fields: { deliveryTag } }) as ConsumeMessage;

describe('Acknowledgements', () => {
  it('are told together up to the oldest delivery that is not done, and the others one by one', () => {
    const { acknowledgements, told, waiting } = createChannel();
    const [first, second, third, fourth] = [1, 2, 3, 4].map(delivery) as [
      ConsumeMessage,
      ConsumeMessage,
      ConsumeMessage,
      ConsumeMessage,
    ];
    for (const raw of [first, second, third, fourth]) {
      waiting.add(raw.fields.deliveryTag);
      acknowledgements.delivered(raw);
    }
    for (const raw of [second, fourth, first]) acknowledgements.done(raw);
    acknowledgements.flush();
    expect(told).toEqual([
      [2, true],
      [4, false],
    ]);
    expect([...waiting]).toEqual([3]);
  });

  it('go by themselves, those of one turn of the event loop together', async () => {
    const { acknowledgements, told } = createChannel();
    const all = [1, 2, 3].map(delivery);
    for (const raw of all) acknowledgements.delivered(raw);
    for (const raw of all) acknowledgements.done(raw);
    expect(told).toEqual([]);
    await turn();
    expect(told).toEqual([[3, true]]);
  });

  it('are known once the broker was told, and not where their channel closes before', async () => {
    const { acknowledgements, known, close } = createChannel();
    const [first, second, third] = [1, 2, 3].map(delivery) as [
      ConsumeMessage,
      ConsumeMessage,
      ConsumeMessage,
    ];
    const carriedOut: number[] = [];
    for (const raw of [first, second, third]) acknowledgements.delivered(raw);
    acknowledgements.done(first, () => carriedOut.push(1));
    acknowledgements.done(third, () => carriedOut.push(3));
    expect([known, carriedOut]).toEqual([[], []]);
    await turn();
    expect([known, carriedOut]).toEqual([
      [1, 3],
      [1, 3],
    ]);
    acknowledgements.done(second, () => carriedOut.push(2));
    close();
    await turn();
    expect([known, carriedOut]).toEqual([
      [1, 3],
      [1, 3],
    ]);
  });

  it('settle what is done and nothing else, in whatever order deliveries end', () => {
    const end = fc.constantFrom('done', 'given back', 'flush') as fc.Arbitrary<
      'done' | 'given back' | 'flush'
    >;
    fc.assert(
      fc.property(fc.array(fc.tuple(end, fc.nat())), fc.integer({ min: 1, max: 40 }), (ends, count) => {
        const { acknowledgements, waiting, known } = createChannel();
        const taken = new Set<number>();
        const open = Array.from({ length: count }, (_, at) => delivery(at + 1));
        for (const raw of open) {
          waiting.add(raw.fields.deliveryTag);
          acknowledgements.delivered(raw);
        }
        for (const [how, which] of ends) {
          if (how === 'flush' || open.length === 0) {
            acknowledgements.flush();
            continue;
          }
          const [raw] = open.splice(which % open.length, 1) as [ConsumeMessage];
          if (how === 'done') acknowledgements.done(raw);
          else {
            // The broker takes it back at once.
            waiting.delete(raw.fields.deliveryTag);
            taken.add(raw.fields.deliveryTag);
            acknowledgements.forget(raw);
          }
        }
        acknowledgements.flush();
        const left = open.map(({ fields }) => fields.deliveryTag);
        expect([...waiting]).toEqual(left);
        const all = Array.from({ length: count }, (_, at) => at + 1);
        expect(known.toSorted((a, b) => a - b)).toEqual(
          all.filter((tag) => !taken.has(tag) && !left.includes(tag)),
        );
      }),
    );
  });
});
