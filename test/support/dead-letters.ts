import type {
  DeadLetteredMessage,
  DeadLetterStore,
  SubscriptionId,
  Taking,
} from '@nest-messaging/core/contract';

/** The oldest `limit` dead letters of a subscription. */
export async function listed(
  store: DeadLetterStore,
  { source, group }: SubscriptionId,
  limit: number,
): Promise<DeadLetteredMessage[]> {
  const letters: DeadLetteredMessage[] = [];
  for await (const letter of store.browse({ source, group }, { limit })) letters.push(letter);
  return letters;
}

/** Those with one of these message ids. */
export const among = (ids: Iterable<string>): Taking => {
  const known = new Set(ids);
  return { select: ({ message }) => known.has(message.id) };
};
