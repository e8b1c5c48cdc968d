export {
  messagingTest,
  type DeadLetterSeen,
  type MessagingTest,
  type PublishedMessage,
} from './messaging-test.js';
export { virtualClock, type VirtualClock } from './virtual-clock.js';
