export {
  describeTransport,
  type GuaranteeResult,
  type TestRunner,
  type TransportUnderTest,
} from './describe-transport.js';
export { guarantees } from './guarantees.js';
export type { Guarantee } from './guarantee.js';
export { show, type Keeping } from './show.js';
export type { Application, MessageDraft, Stage } from './stage.js';
export type { Behaviour, Probe, Seen } from './probe.js';
export type { Hook, Hooks, Made, Optional, TestBroker, Used } from './test-broker.js';
