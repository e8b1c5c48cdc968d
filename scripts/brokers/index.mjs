/** Every broker that tests can have. A new one adds its file and a line here. */
import { rabbitmq } from './rabbitmq.mjs';

export const brokers = [rabbitmq];
