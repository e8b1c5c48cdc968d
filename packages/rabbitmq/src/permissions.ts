import type { Finding } from '@nest-messaging/core/contract';
import type { Management } from './management.js';
import { patternOf, type Needs } from './rights.js';

/** As RabbitMQ judges: anywhere in the name, and nothing by an empty one. Undefined where JavaScript cannot read it. */
function permits(pattern: string): ((name: string) => boolean) | undefined {
  try {
    const expression = new RegExp(pattern === '' ? '^$' : pattern);
    return (name) => expression.test(name);
  } catch {
    return undefined;
  }
}

/** What each connection makes up itself; elsewhere the sign is of a pattern, and in the name itself. */
const MADE_UP = /(?<=--live-)\*$/;

const RIGHTS = ['configure', 'write', 'read'] as const;

/**
 * What a user lacks of what is needed.
 * @throws {ConnectionError} if the management API cannot be asked
 * @see https://www.rabbitmq.com/docs/access-control#authorisation
 */
export async function missingPermissions(
  management: Management,
  user: string,
  needs: Needs,
): Promise<readonly Finding[]> {
  const about = `permissions of ${user}`;
  const granted = await management.permissions(user);
  if (granted === 'hidden')
    return [
      {
        level: 'notice',
        about,
        message: 'are told to administrators alone: give the management URL a user with that tag',
      },
    ];
  if (granted === undefined)
    return [
      {
        level: 'notice',
        about,
        message: 'are not kept by RabbitMQ itself, and cannot be seen: another authority grants them',
      },
    ];
  const findings = RIGHTS.map((right): Finding | undefined => {
    const may = permits(granted[right]);
    if (!may)
      return { level: 'notice', about, message: `cannot be judged: to ${right} is '${granted[right]}'` };
    const missing = [...needs[right]].filter((name) => !may(name.replace(MADE_UP, '0')));
    if (missing.length === 0) return undefined;
    return {
      level: 'trouble',
      about,
      message: `are '${granted[right]}' to ${right}, and not ${patternOf(missing)}: grant it, see nest-messaging topology --rights`,
    };
  }).filter((finding) => finding !== undefined);
  return findings.length > 0
    ? findings
    : [{ level: 'fine', about, message: 'are all that the application needs' }];
}
