/** Every broker that tests can have. A new one adds its file and a line here. */
import { aws } from './aws.mjs';
import { kafka } from './kafka.mjs';
import { rabbitmq } from './rabbitmq.mjs';

export const brokers = [rabbitmq, kafka, aws];
