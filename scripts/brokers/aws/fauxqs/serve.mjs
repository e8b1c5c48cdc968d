/**
 * Runs fauxqs: `node serve.mjs <port> <directory for its data>`. Its own command listens on every network, names its
 * queues by a host (sqs.<region>.localhost) that not every system resolves, and writes to the disk only for those who
 * build it themselves, as here.
 */
/** @param {string} file of the version that package.json pins: not all of this is what it exports */
const part = (file) => import(new URL(`./node_modules/fauxqs/dist/${file}`, import.meta.url).href);

const { buildApp } = await part('app.js');
const { PersistenceManager } = await part('persistence.js');
const { S3Store } = await part('s3/s3Store.js');
const { SnsStore } = await part('sns/snsStore.js');
const { SqsStore } = await part('sqs/sqsStore.js');
const { INVALID_MESSAGE_BODY_CHAR } = await part('sqs/sqsTypes.js');

// Its own takes no character beyond the first 65,536, such as an emoji, which SQS does.
INVALID_MESSAGE_BODY_CHAR.test = (/** @type {string} */ text) =>
  /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u.test(text);

const [port, directory] = process.argv.slice(2);
const disk = new PersistenceManager(directory);
// What the system has been given outlives this process, which is all that a test can end.
disk.db.exec('PRAGMA synchronous = OFF');
// Its own writes NULL where the table takes none, so that whoever gives a message back gets an error.
const ready = disk.db.prepare(
  'UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?',
);
disk.updateMessageReady = (/** @type {string} */ id) => ready.run(id);

const stores = { sqsStore: new SqsStore(), snsStore: new SnsStore(), s3Store: new S3Store() };
// Queues are where the client asked for them.
stores.sqsStore.host = '';
// First loaded, then told where to write: loading must not write again.
disk.load(stores.sqsStore, stores.snsStore, stores.s3Store);
for (const store of [...Object.values(stores), ...stores.sqsStore.allQueues()]) store.persistence = disk;

const app = buildApp({ logger: false, stores });
app.addHook('onClose', () => disk.close());
process.once('SIGTERM', () => app.close());
await app.listen({ host: '127.0.0.1', port: Number(port) });
