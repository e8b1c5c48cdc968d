import type { NewTopic } from './driver/driver.js';

/** By which Kafka deletes what still waits. */
export const RETENTION = ['cleanup.policy', 'retention.ms', 'retention.bytes'] as const;

/** A negative limit is none. */
const isLess = (limit: number, than: number): boolean => limit >= 0 && (than < 0 || limit < than);

/** What of a topic's settings deletes more than the module's own would, each with what is expected. */
export function deletesMore(
  { config }: Pick<NewTopic, 'config'>,
  settings: Readonly<Record<string, string>>,
): string[] {
  return RETENTION.flatMap((name) => {
    const [made, is] = [config[name], settings[name]];
    if (made === undefined || is === undefined) return [];
    const worse = name === 'cleanup.policy' ? is !== made : isLess(Number(is), Number(made));
    return worse ? [`${name} '${is}', expected '${made}'`] : [];
  });
}
