import type { API } from '@platformatic/kafka';
import { byTopic, keyOf } from '../by-topic.js';
import type { Client, EncodedBatch } from '../driver.js';
import { brokerError } from '../driver-error.js';
import { timedOut } from '../pending.js';
import type { Cluster } from './cluster.js';
import type { Library } from './library.js';

type Answer = ReturnType<Library['produceV8']['parseResponse']>;

const NO_TRANSACTION = null;
const ACKS_ALL = -1;
const UNKNOWN_SERVER_ERROR = -1;

type Requests = Pick<Client, 'producerId' | 'produce'>;

/** One request to one node each. */
export function produceRequests(cluster: Cluster): Requests {
  const { library, requestTimeout } = cluster;
  const api = produceApi(library);
  return {
    async producerId() {
      const link = await cluster.any();
      const answer = await link.ask(
        library.initProducerIdV2.api,
        requestTimeout,
        NO_TRANSACTION,
        requestTimeout,
      );
      const { errorCode, producerId, producerEpoch } = answer;
      if (errorCode !== 0) throw brokerError(errorCode, 'the broker gave no producer id');
      return { id: producerId, epoch: producerEpoch };
    },

    async produce(nodeId, batches, limit) {
      const end = performance.now() + limit;
      const node = await cluster.node(nodeId, 'rest');
      const left = Math.ceil(end - performance.now());
      if (left <= 0) throw timedOut('producing', limit);
      const { responses } = await node.ask(api, left, left, batches);
      const answered = new Map(
        responses.flatMap(({ name, partitionResponses }) =>
          partitionResponses.map((each) => [keyOf({ topic: name, partition: each.index }), each]),
        ),
      );
      return batches.map((batch) => {
        const { errorCode = UNKNOWN_SERVER_ERROR, errorMessage } = answered.get(keyOf(batch)) ?? {};
        if (errorCode === 0) return undefined;
        const { topic, partition } = batch;
        return brokerError(
          errorCode,
          errorMessage ?? `partition ${partition} of '${topic}' did not take the records`,
        );
      });
    },
  };
}

/** The library's own encodes the records, and anew each time. */
function produceApi(library: Library): API<[timeout: number, batches: readonly EncodedBatch[]], Answer> {
  return library.createAPI(
    0,
    8,
    (timeout: number, batches: readonly EncodedBatch[]) =>
      library.Writer.create()
        .appendString(NO_TRANSACTION, false)
        .appendInt16(ACKS_ALL)
        .appendInt32(timeout)
        .appendArray(
          byTopic(batches, (batch) => batch),
          (writer, { name, partitions }) =>
            writer
              .appendString(name, false)
              .appendArray(
                partitions,
                (each, { partition, bytes }) =>
                  each.appendInt32(partition).appendInt32(bytes.length).append(bytes),
                false,
                false,
              ),
          false,
          false,
        ),
    library.produceV8.parseResponse,
    false,
    false,
  );
}
