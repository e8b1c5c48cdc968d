import { administrate } from '../../test/support/kafka.js';

/** The consumer groups of all that the shop's services handle, however they are spread over processes. */
const GROUPS = [
  'analytics.order.--one',
  'inventory.order.paid',
  'inventory.order.placed',
  'notifications.order.placed',
  'notifications.order.shipped',
  'notifications.review.due',
  'orders.parcel.packed',
  'parcel.pack--queue',
  'payments.order.placed',
];

/** Processes at work in each consumer group of the shop. */
export async function countMembers(namespace: string): Promise<Record<string, number>> {
  const { groups } = await administrate((admin) =>
    admin.describeGroups(GROUPS.map((group) => `${namespace}.${group}`)),
  );
  return Object.fromEntries(
    groups.map(({ groupId, members }) => [groupId.slice(namespace.length + 1), members.length]),
  );
}
