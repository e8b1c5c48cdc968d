/** Milliseconds since the machine started: the one clock that all processes share. */
export const now = () => Number(process.hrtime.bigint()) / 1e6;
