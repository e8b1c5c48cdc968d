export { kafka } from './kafka.js';
export type { Compression, DriverName, KafkaHandlerOptions, KafkaOptions, Sasl } from './options.js';
