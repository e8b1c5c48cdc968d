import type { Contestant } from '../../contestant.js';
import { cloudEvent } from '../cloud-event.js';
import platformatic, { publisherWith } from './platformatic.js';

export default {
  ...platformatic,
  name: '@platformatic/kafka, gathered, with metadata',
  says: "as before, and each message carries CloudEvents' headers as ours does",
  publisher: publisherWith((topic) => ({ 'content-type': 'application/json', ...cloudEvent('ce_', topic) })),
} satisfies Contestant;
