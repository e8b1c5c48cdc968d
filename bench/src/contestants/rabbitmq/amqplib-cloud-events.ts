import type { Options } from 'amqplib';
import type { Contestant } from '../../contestant.js';
import { cloudEvent } from '../cloud-event.js';
import amqplib, { publisherWith } from './amqplib.js';
import { KEY } from './queue.js';

/** The same in the properties that AMQP has of its own. */
function metadata(): Options.Publish {
  const headers = cloudEvent('cloudEvents:', KEY);
  return {
    messageId: headers['cloudEvents:id'],
    contentType: 'application/json',
    type: KEY,
    appId: 'bench',
    timestamp: Math.floor(Date.now() / 1_000),
    headers,
  };
}

export default {
  ...amqplib,
  name: 'amqplib with metadata',
  says: "as amqplib, and each message carries the properties and CloudEvents' headers that ours does",
  publisher: publisherWith(metadata),
} satisfies Contestant;
