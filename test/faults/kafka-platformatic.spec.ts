import { describeFaults } from './describe-faults.js';
import { kafkaGround } from './grounds/kafka.js';

describeFaults(kafkaGround('platformatic'));
