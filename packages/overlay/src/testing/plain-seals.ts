import { currentMembers, fittingMembers, type JoinSeals, joinAnswerLimits } from '../joining/join-answer.ts';

/** What HPKE adds to what it seals. */
const layerBytes = 48;

/** Join answers as long as real ones, which open for whom they were made and for nobody else, without a curve: for tables of many thousand queries. */
export function plainSeals(): JoinSeals {
  const made = new WeakMap<Uint8Array, { readonly to: string; readonly members: readonly Uint8Array[] }>();
  const boxOf = (layers: number) => new Uint8Array(joinAnswerLimits.plaintextBytes + (layers + 1) * layerBytes);
  const recipient = (replyKey: Uint8Array, topicKey: Uint8Array) => `${replyKey}/${topicKey}`;
  return {
    createReplyKey: (random) => ({ publicKey: random.bytes(32) }),
    seal(query, topic, members, layers) {
      const box = boxOf(layers);
      const bytes = fittingMembers(members).map((member) => member.bytes);
      made.set(box, { to: recipient(query.replyKey, topic.replyKey), members: bytes });
      return box;
    },
    sealDecoy: () => boxOf(0),
    wrap(_query, box) {
      const wrapped = new Uint8Array(box.length + layerBytes);
      const inner = made.get(box);
      if (inner !== undefined) made.set(wrapped, inner);
      return wrapped;
    },
    open(box, { topic, replyKey }, decode, nowMs) {
      const inner = made.get(box);
      const isForUs = inner?.to === recipient(replyKey.publicKey, topic.replyKey);
      return inner !== undefined && isForUs ? currentMembers(inner.members, decode, nowMs) : undefined;
    },
  };
}
