/** Requests under way on one connection: it carries them all at once, but each has its time limit while it waits. */
const AT_A_TIME = 32;

/** Asks for each, many at the same time; answers in their order, and rejects with the first that fails. */
export async function askForEach<Of, Answer>(
  all: readonly Of[],
  ask: (one: Of) => Promise<Answer>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  // One iterator for all: whoever is free takes the next.
  const left = all.entries();
  const worker = async (): Promise<void> => {
    for (const [at, one] of left) answers[at] = await ask(one);
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, all.length) }, worker));
  return answers;
}
