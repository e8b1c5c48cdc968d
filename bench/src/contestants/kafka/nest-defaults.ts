import { nest } from './nest.js';

export default nest(
  {
    safety: 'defaults',
    says: 'one partition after the other, so that a slow handler holds up all; nothing is lost',
  },
  {},
);
