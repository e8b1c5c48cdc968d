import { kafkaGround } from '../grounds/kafka.js';
import { describeRandom } from './describe-random.js';

describeRandom(kafkaGround('kafkajs'));
