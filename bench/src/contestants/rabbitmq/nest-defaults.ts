import { nest } from './nest.js';

export default nest(
  {
    safety: 'defaults',
    says: 'a classic queue, messages in memory alone, and noAck: what the process has been sent is gone when it ends, and what waits when the broker restarts; without noDelay, a publish in two packets takes some 40 ms',
  },
  {},
);
