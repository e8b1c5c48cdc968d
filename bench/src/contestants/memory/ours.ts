import { memory } from '@nest-messaging/core';
import { ours } from '../ours.js';

/** One value: what publishes and what handles share it. */
const broker = memory();

export default ours('nest-messaging', () => broker, {
  way: 'event',
  says: 'encoded, copied and handled once a group, with retries and dead letters',
});
