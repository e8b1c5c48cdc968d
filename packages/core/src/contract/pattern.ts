/** Whether a topic name holds wildcards: `*` stands for one word, `#` for any number of words, none included. */
export function isPattern(topic: string): boolean {
  return /[*#]/.test(topic);
}

/** Whether a topic falls under a pattern, with the meaning of RabbitMQ's topic exchange. */
export function matches(pattern: string, topic: string): boolean {
  const words = topic.split('.');
  // ends[i]: the pattern so far can end before word i. One pass over the pattern, no backtracking.
  let ends = new Set([0]);
  for (const part of pattern.split('.')) {
    const next = new Set<number>();
    for (const at of ends) {
      if (part === '#') for (let i = at; i <= words.length; i++) next.add(i);
      else if (at < words.length && (part === '*' || part === words[at])) next.add(at + 1);
    }
    ends = next;
  }
  return ends.has(words.length);
}
