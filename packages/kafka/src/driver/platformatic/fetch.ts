import type { API } from '@platformatic/kafka';
import { byTopic } from '../by-topic.js';
import type { Client } from '../driver.js';
import { brokerError } from '../driver-error.js';
import { readFetched, type FetchedBytes } from '../fetched.js';
import { rawBeneath } from '../record-batch.js';
import type { Cluster } from './cluster.js';
import type { Library } from './library.js';

interface Answer {
  readonly errorCode: number;
  readonly partitions: readonly FetchedBytes[];
}

type Request = Parameters<Library['fetchV11']['createRequest']>;

const READ_COMMITTED = 1;
/** Without a session each request says all that it wants. */
const NO_SESSION = 0;
const FINAL_EPOCH = -1;
const ANY_EPOCH = -1;
const AT_LEAST_A_BYTE = 1;

/** One request to one node each. */
export function createFetch(cluster: Cluster): Client['fetch'] {
  const { library, requestTimeout } = cluster;
  const api = fetchApi(library);
  return async (nodeId, positions, limits) => {
    if (positions.length === 0) return [];
    const node = await cluster.node(nodeId, 'fetch');
    const wanted = byTopic(positions, ({ partition, offset }) => ({
      partition,
      currentLeaderEpoch: ANY_EPOCH,
      lastFetchedEpoch: ANY_EPOCH,
      fetchOffset: BigInt(offset),
      partitionMaxBytes: limits.maxBytesPerPartition,
    }));
    const answer = await node.ask(
      api,
      requestTimeout + limits.maxWait,
      limits.maxWait,
      AT_LEAST_A_BYTE,
      limits.maxBytes,
      READ_COMMITTED,
      NO_SESSION,
      FINAL_EPOCH,
      // By name still; newer versions ask by id.
      wanted.map(({ name, partitions }) => ({ topicId: name, partitions })),
      [],
      '',
    );
    if (answer.errorCode !== 0) throw brokerError(answer.errorCode, `node ${nodeId} refused a fetch`);
    return readFetched(answer.partitions, positions, MESSAGE);
  };
}

/** The record as the library hands it to its consumers, as far as it is not about their position. */
const MESSAGE = rawBeneath(({ topic, partition, key, value, timestamp, offset, headers }) => ({
  topic,
  partition,
  key,
  value,
  headers: new Map(headers),
  headerEntries: headers,
  timestamp: BigInt(timestamp),
  offset: BigInt(offset),
}));

/**
 * The library's own reads all records while it reads the answer, where one batch that cannot be read loses the whole
 * answer, and nothing of it may be skipped.
 */
function fetchApi(library: Library): API<Request, Answer> {
  return library.createAPI(
    1,
    11,
    library.fetchV11.createRequest,
    (_correlationId, _key, _version, reader): Answer => {
      reader.readInt32(); // How long the broker has slowed it down.
      const errorCode = reader.readInt16();
      reader.readInt32(); // The session.
      const partitions = reader.readArray(() => readTopic(reader), false, false).flat();
      return { errorCode, partitions };
    },
    false,
    false,
  );
}

type Reader = InstanceType<Library['Reader']>;

function readTopic(reader: Reader): FetchedBytes[] {
  const topic = reader.readString(false);
  return reader.readArray(
    () => {
      const partition = reader.readInt32();
      const errorCode = reader.readInt16();
      reader.readInt64(); // The high watermark: behind it may be records of open transactions.
      const lastStableOffset = Number(reader.readInt64());
      reader.readInt64(); // The first offset that is kept.
      const aborted =
        reader.readNullableArray(
          () => ({ producerId: reader.readInt64(), firstOffset: Number(reader.readInt64()) }),
          false,
          false,
        ) ?? [];
      reader.readInt32(); // A replica nearer by.
      return {
        topic,
        partition,
        errorCode,
        lastStableOffset,
        aborted,
        bytes: reader.readNullableBytes(false) ?? Buffer.alloc(0),
      };
    },
    false,
    false,
  );
}
