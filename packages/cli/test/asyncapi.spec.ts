import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AsyncApiDocument } from '@nest-messaging/asyncapi';
import { command } from './command.js';

const APP = ['asyncapi', '--app', 'application.mjs#AppModule'];

describe('nest-messaging asyncapi', () => {
  it('writes the document of an application', async () => {
    const { code, out } = await command(...APP, '--title', 'Billing', '--api-version', '1.2.3');
    const document = JSON.parse(out) as AsyncApiDocument;
    expect({ code, info: document.info }).toEqual({ code: 0, info: { title: 'Billing', version: '1.2.3' } });
    expect(Object.keys(document.channels)).toEqual([
      'invoice.sent',
      'order.placed',
      'order.--one',
      'invoices--queue',
    ]);
  });

  it('writes it to a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'asyncapi-'));
    try {
      const file = join(folder, 'asyncapi.json');
      expect(await command(...APP, '--output', file)).toEqual({ code: 0, out: '', error: '' });
      expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ asyncapi: '3.0.0' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
