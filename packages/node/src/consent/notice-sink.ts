import { type Clock, Condition, type Random, sleep, type WaitOptions } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import type { NoticeSink } from '@pulsemesh/ledger';
import type { NetworkPort, RpcClient } from '@pulsemesh/network';
import { notificationProtocol } from '@pulsemesh/vitals/roles/notification';
import { toHex } from '@pulsemesh/wire';

export interface NoticeSinkDependencies {
  readonly port: Pick<NetworkPort, 'livePeers'>;
  readonly rpc: Pick<RpcClient, 'call'>;
  readonly clock: Clock;
  readonly random: Random;
}

/** No notification peer took the notice. Retryable: the same notice again is told once. */
export class NoticeNotTakenError extends Condition {
  override readonly name = 'NoticeNotTakenError';
  constructor(cause: unknown) {
    super('notice-not-taken', 'no notification peer takes the notice now', {
      retryable: true,
      ...(cause === null ? {} : { cause }),
    });
  }
}

const triesMax = 5;
const pauseMsMin = 500;
const callMs = 5_000;

/** Tells people through whichever notification peer is there. `tell` throws {@link NoticeNotTakenError} after a few tries. */
export function createNoticeSink(deps: NoticeSinkDependencies): NoticeSink {
  const { port, rpc, clock, random } = deps;
  const tryAll = async (body: unknown, options: WaitOptions): Promise<{ readonly failure: unknown } | null> => {
    let failure: unknown = null;
    for (const { id } of random.shuffle(port.livePeers('notification'))) {
      try {
        await rpc.call(id, notificationProtocol, 'notice', body, { ...options, timeoutMs: callMs });
        return null;
      } catch (error) {
        options.signal?.throwIfAborted();
        failure = error;
      }
    }
    return { failure };
  };
  return {
    async tell({ noticeId, subject, kind }, options = {}) {
      // Notification keeps its rows by ids of one length.
      const id = toHex(sha256(new TextEncoder().encode(`pulsemesh notice\n${noticeId}`)).subarray(0, 16));
      const body = { subjectId: subject, noticeId: id, kind };
      let failed = await tryAll(body, options);
      for (let tries = 1; failed !== null && tries < triesMax; tries += 1) {
        await sleep(clock, pauseMsMin * 2 ** tries, options);
        failed = await tryAll(body, options);
      }
      if (failed !== null) throw new NoticeNotTakenError(failed.failure);
    },
  };
}
