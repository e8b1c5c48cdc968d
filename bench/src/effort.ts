export interface Effort {
  /** Microseconds. */
  readonly wall: number;
  /** Microseconds of this process, on all cores. */
  readonly cpu: number;
}

export function stopwatch(): () => Effort {
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { wall: (performance.now() - wall) * 1_000, cpu: user + system };
  };
}

export const perSecond = (count: number, { wall }: Effort): number => (count / wall) * 1_000_000;
