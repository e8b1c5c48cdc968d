/** Runs `run` for each of `all`, at most `most` at the same time; answers in their order, and rejects with the first that fails. */
export async function atATime<Each, Answer>(
  most: number,
  all: readonly Each[],
  run: (each: Each) => Promise<Answer>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  // One iterator for all: whoever is free takes the next.
  const left = all.entries();
  const worker = async (): Promise<void> => {
    for (const [at, each] of left) answers[at] = await run(each);
  };
  await Promise.all(Array.from({ length: Math.min(most, all.length) }, worker));
  return answers;
}
