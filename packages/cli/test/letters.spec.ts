import { describe, expect, it } from '@jest/globals';
import type { ShownDeadLetter } from '@nest-messaging/core';
import { jsonOf, tableOf, textOf } from '../src/dead-letters/letters.js';

const AT = Date.UTC(2026, 2, 1, 8, 30);

const letter = (
  message: Partial<ShownDeadLetter['message']> = {},
  rest: Partial<ShownDeadLetter> = {},
): ShownDeadLetter => ({
  message: {
    id: 'o-1',
    destination: { kind: 'topic', name: 'order.placed' },
    contentType: 'application/json',
    headers: { tenant: 'acme' },
    ...message,
  },
  failure: { name: 'TypeError', message: 'no account', at: AT },
  attempts: 5,
  group: 'billing',
  firstFailedAt: AT - 60_000,
  ...rest,
});

describe('Dead letters on a terminal', () => {
  it('are a table', () => {
    expect(tableOf([letter(), letter({ id: 'o-23', key: 'c-1' })])).toBe(
      [
        'TIME                      ID    ERROR      ATTEMPTS  KEY',
        '2026-03-01T08:30:00.000Z  o-1   TypeError  5         –',
        '2026-03-01T08:30:00.000Z  o-23  TypeError  5         c-1',
      ].join('\n'),
    );
  });

  it('are told whole one by one, and what is not known is left out', () => {
    const body = Buffer.from('{\n  "total": 3\n}');
    expect(textOf(letter({ key: 'c-1', body }, { origin: 'shop.billing.order.placed' }))).toBe(
      [
        'id             o-1',
        'topic          order.placed',
        'group          billing',
        'error          TypeError: no account',
        'attempts       5',
        'failed         2026-03-01T08:30:00.000Z',
        'failed first   2026-03-01T08:29:00.000Z',
        'origin         shop.billing.order.placed',
        'key            c-1',
        'content type   application/json',
        'header tenant  acme',
        '',
        '{\n  "total": 3\n}',
      ].join('\n'),
    );
  });

  it('command no terminal, whatever somebody has published', () => {
    const evil = '\u001b]0;title\u0007\u009b2J\r\u007f';
    const body = Buffer.from(`${evil}\n`);
    const text = `${tableOf([letter({ id: evil, key: `a\nb` })])}\n${textOf(letter({ id: evil, headers: { [evil]: evil }, body }))}`;
    // oxlint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(text).toContain('\\u001b]0;title\\u0007\\u009b2J\\u000d\\u007f');
    expect(text).toContain('a\\u000ab');
  });

  it('have a payload that is no text in base64, for programs as well', () => {
    const binary = letter({ body: Buffer.from([0xff, 0x00]) });
    expect(textOf(binary)).toMatch(/\n\npayload in base64, since it is no text: \/wA=$/);
    expect(jsonOf(binary)).toMatchObject({ message: { id: 'o-1', body: { base64: '/wA=' } } });
    expect(jsonOf(letter())).toEqual(letter());
  });

  it('are shown with a time that is none, which is somebody else’s', () => {
    const at = 9_000_000_000_000_000;
    const odd = letter({}, { failure: { name: 'Error', message: '', at } });
    expect(tableOf([odd, letter({ id: 'o-23' })])).toMatch(
      /^9000000000000000 .*\n2026-03-01T08:30:00.000Z  o-23/m,
    );
    expect(textOf(odd)).toMatch(/^failed +9000000000000000$/m);
  });

  it('say why a payload cannot be had', () => {
    const text = textOf(letter({ body: Buffer.from('{}') }, { unreadable: 'the object is gone' }));
    expect(text).toMatch(/\n\npayload cannot be had: the object is gone$/);
  });
});
