import { rabbitmqGround } from '../grounds/rabbitmq.js';
import { describeRandom } from './describe-random.js';

describeRandom(rabbitmqGround('3.10'));
