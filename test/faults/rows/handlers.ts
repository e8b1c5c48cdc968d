import assert from 'node:assert/strict';
import { guarantees, show } from '@nest-messaging/testing/conformance';
import type { Row } from '../row.js';

/** Beyond every wait inside a guarantee. */
const LIMIT = 60_000;

/** A fault that a guarantee of the conformance suite is about: it is shown again, on this broker. */
function shownBy(number: number, fault: string, needs: Row['needs'], names: readonly string[]): Row {
  const shown = names.map((name) => {
    const guarantee = guarantees.find((each) => each.name === name);
    assert.ok(guarantee, `no guarantee is called '${name}'`);
    return guarantee;
  });
  return {
    number,
    fault,
    needs,
    async run({ site }) {
      for (const guarantee of shown) await show(guarantee, site.underTest, LIMIT);
    },
  };
}

const thrown = ['an error', 'a rejected promise', 'text', '`undefined`', 'a frozen object'];
const poison = ['malformed JSON', 'an empty body', 'cut UTF-8', 'binary', 'a key that pollutes prototypes'];

export const handlerRows: readonly Row[] = [
  shownBy(
    13,
    'a handler throws: an error, later, text, nothing, a frozen object',
    [],
    thrown.map(
      (what) =>
        `A handler that throws ${what} is tried as often as configured, then its message is set aside`,
    ),
  ),
  shownBy(
    14,
    'a handler never returns',
    [],
    ['A handler that never returns has failed when its time is up, and holds up nobody'],
  ),
  shownBy(
    18,
    'two groups on one event, and one fails',
    [],
    ['A group that succeeds never sees a message again because another fails'],
  ),
  shownBy(
    19,
    'a handler fails twice, then succeeds',
    [],
    ['A handler that fails twice and then succeeds has its delays as configured, and leaves no dead letter'],
  ),
  shownBy(
    20,
    'poison, or what fails, at the head',
    [],
    [
      'Others of its subscription are not held up while a failed message waits',
      'A delivery that stays open does not hold up the others',
    ],
  ),
  shownBy(
    22,
    'a backlog of 10,000',
    ['bulk'],
    ['A handler never has more messages in hand than it allows, with 10,000 waiting'],
  ),
  shownBy(
    23,
    'foreign bodies: malformed, empty, `null`, cut UTF-8, binary, a byte-order mark',
    [],
    [
      ...poison.map(
        (what) => `A message with ${what} is set aside at its first attempt, its bytes untouched`,
      ),
      'JSON that is unusual is handled: `null`, a byte-order mark, another media type',
    ],
  ),
  shownBy(
    24,
    'foreign headers: missing, or of other types',
    ['foreign'],
    ['Messages without headers, or with headers of other kinds, are handled'],
  ),
  shownBy(
    25,
    'a body or header beyond the limits',
    [],
    [
      'A body beyond the limit is refused before it is sent, and the connection stays usable',
      'A message whose names or headers cannot be sent is refused before it is sent',
    ],
  ),
  {
    number: 26,
    fault: 'an event for which no handler exists any more',
    needs: ['network'],
    async run(stage) {
      const { ledger, until } = stage;
      const topics = ['kept', 'dropped'] as const;
      // They subscribe, and are gone before anything is published.
      await (await stage.start({ handlers: topics.map((topic) => ({ topic })) })).stop('SIGTERM');
      const next = await stage.start({
        handlers: [],
        module: {
          retired: [
            { topic: 'kept', outcome: 'dead-letter' },
            { topic: 'dropped', outcome: 'discard' },
          ],
        },
      });
      for (const topic of topics) await next.publish({ name: topic, topic, count: 20, lanes: 5 });
      const counted = (what: string): number =>
        next.told.filter((one) => one.told === 'log' && one.text.includes(what)).length;
      await until(
        () => counted('is discarded') === 20 && counted('is dead-lettered') === 20,
        'each to be counted',
      );
      ledger.setAside(await next.letters({ topic: 'kept' }));
      assert.equal(ledger.dead().size, 20);
      assert.ok([...ledger.dead().values()].every(({ failure }) => failure.includes('is retired')));
      assert.deepEqual(await next.letters({ topic: 'dropped' }), []);
      assert.deepEqual(ledger.violations, []);
    },
  },
  shownBy(
    29,
    'dead letters are redriven',
    [],
    ['A redriven message is handled again from its first attempt, body and headers as they were'],
  ),
  shownBy(
    36,
    '40 delayed messages that nobody wants, others in the same delay',
    [],
    ['Delayed messages that nobody wants do not hold up the others'],
  ),
];
