import type { TransportEvent } from '@nest-messaging/core/contract';
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib';

/** A channel that may fail without taking the process with it. */
export interface Guarded<C extends Channel> {
  readonly channel: C;
  readonly open: boolean;
  /** What the broker said when it closed the channel; undefined if it ended with its connection, or as we wished. */
  readonly error: Error | undefined;
  /** Never rejects. */
  close(): Promise<void>;
}

/**
 * Watches a channel from the moment it is there. `onClose` runs once, before amqplib tells the callbacks of
 * unconfirmed publishes, and while the connection may still look alive.
 */
function guard<C extends Channel>(
  channel: C,
  report: (event: TransportEvent) => void,
  onClose: (error: Error | undefined) => void,
): Guarded<C> {
  let open = true;
  let error: Error | undefined;
  channel.on('error', (caught) => (error = caught));
  channel.on('handler-error', (caught) => {
    report({ type: 'warning', message: 'a listener of a RabbitMQ channel threw', error: caught });
  });
  channel.prependListener('close', () => {
    open = false;
    onClose(error);
  });
  return {
    channel,
    get open() {
      return open;
    },
    get error() {
      return error;
    },
    async close() {
      if (!open) return;
      // A connection that dies meanwhile never answers: then `close` comes instead of the reply.
      const closed = new Promise<void>((resolve) => channel.once('close', resolve));
      try {
        await Promise.race([channel.close(), closed]);
      } catch {
        // It is closed already, which is what was asked for.
      }
    },
  };
}

/** Whether connections have ended. */
const lives = new WeakMap<ChannelModel, { over: boolean }>();

function lifeOf(model: ChannelModel): { readonly over: boolean } {
  const before = lives.get(model);
  if (before) return before;
  const life = { over: false };
  model.once('close', () => (life.over = true));
  lives.set(model, life);
  return life;
}

async function opened<C extends Channel>(model: ChannelModel, opening: Promise<C>): Promise<C> {
  const life = lifeOf(model);
  const channel = await opening;
  // What comes in one read from the socket is told in one go: the broker's last word may have closed the channel between
  // its opening and this.
  if (life.over) throw new Error('the connection ended as a channel was opened on it');
  return channel;
}

export async function openChannel(
  model: ChannelModel,
  report: (event: TransportEvent) => void,
  onClose: (error: Error | undefined) => void = () => {},
): Promise<Guarded<Channel>> {
  return guard(await opened(model, model.createChannel()), report, onClose);
}

export async function openConfirmChannel(
  model: ChannelModel,
  report: (event: TransportEvent) => void,
  onClose: (error: Error | undefined) => void = () => {},
): Promise<Guarded<ConfirmChannel>> {
  return guard(await opened(model, model.createConfirmChannel()), report, onClose);
}
