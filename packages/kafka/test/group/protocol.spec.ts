import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import {
  byTopic,
  decodeAssignment,
  decodeMember,
  encodeAssignment,
  encodeMember,
} from '../../src/group/protocol.js';

/** kafkajs speaks the consumer protocol in version 0, as Kafka's own tools read it. */
const { AssignerProtocol } = createRequire(import.meta.url)('kafkajs') as typeof import('kafkajs');

const member = {
  topics: ['shop.order.placed', 'shop.billing.order.placed--retry'],
  owned: [
    { topic: 'shop.order.placed', partition: 0 },
    { topic: 'shop.order.placed', partition: 11 },
    { topic: 'ünïcode', partition: 2 },
  ],
  generation: 17,
};

describe('What a member says', () => {
  it('is read as it was written', () => {
    expect(decodeMember(encodeMember(member))).toEqual(member);
    const fresh = { topics: [], owned: [], generation: -1 };
    expect(decodeMember(encodeMember(fresh))).toEqual(fresh);
  });

  it('is in the format of Kafka’s consumer protocol', () => {
    const decoded = AssignerProtocol.MemberMetadata.decode(encodeMember(member))!;
    expect(decoded).toMatchObject({ version: 0, topics: member.topics });
    expect(AssignerProtocol.MemberMetadata.encode({ ...decoded, userData: decoded.userData })).toEqual(
      encodeMember(member),
    );
  });

  it('of another version or of nobody’s making says its topics alone', () => {
    const foreign = AssignerProtocol.MemberMetadata.encode({
      version: 3,
      topics: ['a', 'b'],
      userData: Buffer.from([1, 2, 3]),
    });
    expect(decodeMember(foreign)).toEqual({ topics: ['a', 'b'], owned: [], generation: -1 });
    const short = foreign.subarray(0, foreign.length - 7);
    expect(decodeMember(short)).toEqual({ topics: ['a', 'b'], owned: [], generation: -1 });
  });
});

describe('What a member is given', () => {
  it('is read as it was written', () => {
    expect(decodeAssignment(encodeAssignment(member.owned))).toEqual(member.owned);
    expect(decodeAssignment(encodeAssignment([]))).toEqual([]);
    expect(decodeAssignment(Buffer.alloc(0))).toEqual([]);
  });

  it('is in the format of Kafka’s consumer protocol', () => {
    const encoded = encodeAssignment(member.owned);
    const assignment = Object.fromEntries([...byTopic(member.owned)].map(([t, list]) => [t, [...list]]));
    expect(AssignerProtocol.MemberAssignment.decode(encoded)).toMatchObject({ version: 0, assignment });
    expect(
      AssignerProtocol.MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) }),
    ).toEqual(encoded);
  });
});
