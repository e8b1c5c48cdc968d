import { memoryGround } from '../grounds/memory.js';
import { describeRandom } from './describe-random.js';

describeRandom(memoryGround);
