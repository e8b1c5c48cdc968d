import { awsGround } from '../grounds/aws.js';
import { describeRandom } from './describe-random.js';

describeRandom(awsGround('moto'));
