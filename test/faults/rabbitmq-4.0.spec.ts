import { describeFaults } from './describe-faults.js';
import { rabbitmqGround } from './grounds/rabbitmq.js';

describeFaults(rabbitmqGround('4.0'));
