import { startProfile, type Profile } from './profile.js';

export interface Effort {
  /** Microseconds. */
  readonly wall: number;
  /** Microseconds of this process, on all cores. */
  readonly cpu: number;
  /** Where it went, if that was asked for. */
  readonly profile?: Profile;
}

export function stopwatch(profiled = false): () => Effort {
  const endProfile = profiled ? startProfile() : undefined;
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    const effort = { wall: (performance.now() - wall) * 1_000, cpu: user + system };
    return endProfile ? { ...effort, profile: endProfile(effort.cpu) } : effort;
  };
}

export const perSecond = (count: number, { wall }: Effort): number => (count / wall) * 1_000_000;
