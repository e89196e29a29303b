import { type Clock, Condition } from '@pulsemesh/base';
import { type CustodianOffice, type EmergencyAccess, encodeAccessReceipt } from '@pulsemesh/ledger';
import { BadRequestError, type NetworkPort, type ProtocolName, type RpcClient, serveRpc } from '@pulsemesh/network';
import { fromHex, type PeerId } from '@pulsemesh/wire';
import { z } from 'zod';

/** `open {subject, reason}` → `{receipt}`: a custodian writes down that a home opens a patient's records in an emergency. */
const emergencyProtocol: ProtocolName = '/pulsemesh/emergency/1';

/** What one home may have written down in an hour; beyond it somebody does not use it for emergencies. */
export const emergenciesPerHourMax = 60;
const hourMs = 3_600_000;
const subjectBytes = 16;
/** As an access record takes it. */
const reasonCharactersMax = 200;
const receiptBytesMax = 64 * 1024;
const timeoutMs = 10_000;

const askSchema = z.strictObject({
  subject: z.instanceof(Uint8Array).refine(({ length }) => length === subjectBytes),
  reason: z.string().min(1).max(reasonCharactersMax),
});
const answerSchema = z.object({
  receipt: z.instanceof(Uint8Array).refine(({ length }) => length > 0 && length <= receiptBytesMax),
});

/** Only the homes that a custodian keeps for open anything. */
export class NoHomeError extends Condition {
  override readonly name = 'NoHomeError';
  constructor() {
    super('no-home', 'this custodian keeps nothing for that home');
  }
}

/** A home has had too many emergencies written down in this hour. Retryable, later. */
export class TooManyEmergenciesError extends Condition {
  override readonly name = 'TooManyEmergenciesError';
  constructor() {
    super('too-many-emergencies', `more than ${emergenciesPerHourMax} emergencies in an hour`, { retryable: true });
  }
}

/** No custodian wrote it down: nothing is opened. Retryable. */
export class EmergencyNotLoggedError extends Condition {
  override readonly name = 'EmergencyNotLoggedError';
  constructor(cause: unknown) {
    super('emergency-not-logged', 'nothing is opened: no custodian writes it down now', { retryable: true, cause });
  }
}

/** Serves the homes of a custodian. Dispose to stop. */
export function serveEmergencies(
  port: NetworkPort,
  { office, homes }: { readonly office: Pick<CustodianOffice, 'emergency'>; readonly homes: readonly PeerId[] },
  { clock }: { readonly clock: Clock },
): Disposable {
  const known = new Map(homes.map((home) => [home, { sinceMs: 0, count: 0 }]));
  const count = (home: PeerId): void => {
    const nowMs = clock.now();
    const before = known.get(home);
    if (before === undefined) throw new NoHomeError();
    const counted = nowMs - before.sinceMs >= hourMs ? { sinceMs: nowMs, count: 0 } : before;
    if (counted.count >= emergenciesPerHourMax) throw new TooManyEmergenciesError();
    known.set(home, { ...counted, count: counted.count + 1 });
  };
  return serveRpc(port, emergencyProtocol, {
    async open(body, { from }) {
      count(from);
      const asked = askSchema.safeParse(body);
      if (!asked.success) throw new BadRequestError('a patient and a reason are wanted');
      const receipt = await office.emergency({ ...asked.data, reader: from });
      return { receipt: encodeAccessReceipt(receipt) };
    },
  });
}

/**
 * Has an emergency written down by one custodian after the other until one gives its receipt, and the patient told. Records may be
 * opened once it resolves, not before. @throws {EmergencyNotLoggedError}.
 */
export async function logEmergency(
  { subject, reason }: { readonly subject: string; readonly reason: string },
  custodians: readonly PeerId[],
  means: { readonly rpc: Pick<RpcClient, 'call'>; readonly take: (access: EmergencyAccess) => Promise<void> },
): Promise<void> {
  let failure: unknown = null;
  for (const custodian of custodians) {
    try {
      const asked = { subject: fromHex(subject), reason };
      const answer = answerSchema.parse(
        await means.rpc.call(custodian, emergencyProtocol, 'open', asked, { timeoutMs }),
      );
      return await means.take({ subject, custodian, reason, receipt: answer.receipt });
    } catch (error) {
      failure = error;
    }
  }
  throw new EmergencyNotLoggedError(failure);
}
