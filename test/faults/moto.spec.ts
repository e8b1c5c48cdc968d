import { describeFaults } from './describe-faults.js';
import { awsGround } from './grounds/aws.js';

describeFaults(awsGround('moto'));
