import { kafkajs } from './kafkajs.js';

export default kafkajs({
  name: 'kafkajs, one a send',
  safety: 'defaults',
  says: 'one partition after the other, so that a slow handler holds up all; nothing is lost',
});
