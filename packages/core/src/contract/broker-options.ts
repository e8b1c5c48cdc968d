/**
 * What a handler may set under a transport's own name, and only that transport reads. Transport packages add theirs:
 * `declare module '@nest-messaging/core/contract' { interface BrokerHandlerOptions { … } }`.
 */
// oxlint-disable-next-line typescript/no-empty-object-type
export interface BrokerHandlerOptions {}

/** What a publish may set under a transport's own name, likewise. */
// oxlint-disable-next-line typescript/no-empty-object-type
export interface BrokerPublishOptions {}
