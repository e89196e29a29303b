import { Condition } from '@pulsemesh/base';
import type { CustodianOffice } from '@pulsemesh/ledger';
import { BadRequestError, type NetworkPort, type ProtocolName, type RpcClient, serveRpc } from '@pulsemesh/network';
import type { PeerId } from '@pulsemesh/wire';
import { z } from 'zod';

/** The public part of a custodian's access log: `log {from}` → checkpoint and leaves. Hashes alone, for whoever asks. */
const accessLogProtocol: ProtocolName = '/pulsemesh/access-log/1';

/** Leaves in one answer. */
export const leavesMax = 1_000;
const checkpointBytesMax = 64 * 1024;
const timeoutMs = 3_000;

const bytes = (length: { readonly min: number; readonly max: number }) =>
  z
    .instanceof(Uint8Array)
    .refine((value) => value.length >= length.min && value.length <= length.max, 'of another length');
const askSchema = z.strictObject({ from: z.int().min(0) });
const answerSchema = z.object({
  checkpoint: bytes({ min: 1, max: checkpointBytesMax }),
  leaves: z.array(bytes({ min: 32, max: 32 })).max(leavesMax),
});

/** What a custodian said is no part of a log. */
export class MalformedLogError extends Condition {
  override readonly name = 'MalformedLogError';
  constructor() {
    super('malformed-log', 'the custodian answered with something that is no part of a log');
  }
}

/** Serves the log of an office. Dispose to stop. */
export function serveAccessLog(port: NetworkPort, office: Pick<CustodianOffice, 'log'>): Disposable {
  return serveRpc(port, accessLogProtocol, {
    async log(body) {
      const asked = askSchema.safeParse(body);
      if (!asked.success) throw new BadRequestError('a leaf to begin with is wanted');
      return office.log(asked.data.from, leavesMax);
    },
  });
}

export type AccessLogPart = z.output<typeof answerSchema>;

/** Asks a custodian for its log from a leaf on. @throws {MalformedLogError}; what {@link RpcClient.call} throws. */
export async function askAccessLog(rpc: RpcClient, peer: PeerId, from: number): Promise<AccessLogPart> {
  const answer = answerSchema.safeParse(await rpc.call(peer, accessLogProtocol, 'log', { from }, { timeoutMs }));
  if (!answer.success) throw new MalformedLogError();
  return answer.data;
}
