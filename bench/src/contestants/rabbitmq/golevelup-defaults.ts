import { golevelup } from './golevelup.js';

export default golevelup(
  {
    safety: 'defaults',
    says: 'a classic queue, and messages in memory alone: what waits when the broker restarts is gone; a prefetch of 10; without noDelay, a publish in two packets takes some 40 ms',
  },
  {},
);
