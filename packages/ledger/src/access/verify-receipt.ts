import { type Checkpoint, hashLeaf, openCheckpoint, parseVerifierKey, verifyInclusion } from '@pulsemesh/board/verify';
import { verifySignature } from '@pulsemesh/crypto';
import { type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import type { AccessReceipt, AccessRecord } from './access-types.ts';
import { AccessReceiptRefusedError } from './errors.ts';
import { decodeReadRequest, isReadSignedBy } from './read-request.ts';
import { accessLeaf, accessStatement, requestHash } from './record-codec.ts';

/** What a receipt is checked against. */
export interface AccessReceiptKeys {
  /** C2SP note key of the custodian's access log (`CustodianOffice.logKey`). */
  readonly logKey: string;
}

/** A receipt that shows what it says. */
export interface VerifiedAccess {
  readonly record: AccessRecord;
  /** Place in the custodian's log. */
  readonly index: number;
  readonly leaf: Uint8Array;
  /** The head that it was shown under. */
  readonly checkpoint: Checkpoint;
  readonly custodian: PeerId;
}

/**
 * Checks a receipt with the log's key alone, in browsers too: the record's leaf is in the log at its place, under a head the custodian
 * signed; the custodian signed the record; the reader signed the request that it names, and was served nothing else.
 * @throws {AccessReceiptRefusedError}; {MalformedError} for a log key of another form.
 */
export function verifyAccessReceipt(receipt: AccessReceipt, keys: AccessReceiptKeys): VerifiedAccess {
  const verifier = parseVerifierKey(keys.logKey);
  const checkpoint = headOf(receipt, verifier);
  const leaf = accessLeaf(receipt.record, receipt.salt);
  const isIncluded = verifyInclusion({
    index: receipt.index,
    size: checkpoint.size,
    leafHash: hashLeaf(leaf),
    root: checkpoint.root,
    proof: receipt.path,
  });
  if (!isIncluded) throw new AccessReceiptRefusedError('not-in-log');
  const statement = accessStatement(receipt.record, receipt.salt);
  if (!verifySignature(verifier.publicKey, statement, receipt.signature))
    throw new AccessReceiptRefusedError('signature');
  checkRequest(receipt);
  const custodian = peerIdOfEd25519(verifier.publicKey);
  return { record: receipt.record, index: receipt.index, leaf, checkpoint, custodian };
}

function headOf(receipt: AccessReceipt, verifier: ReturnType<typeof parseVerifierKey>): Checkpoint {
  try {
    const { checkpoint } = openCheckpoint(receipt.checkpoint, [verifier]);
    if (checkpoint.origin === verifier.name) return checkpoint;
  } catch {
    // of another form, or signed by somebody else: not this log's head either way
  }
  throw new AccessReceiptRefusedError('checkpoint');
}

/** A read was asked for by its reader, and served within what was asked; what nobody asked for names no request. */
function checkRequest({ record, request }: AccessReceipt): void {
  if (requestHash(request) !== record.request) throw new AccessReceiptRefusedError('request');
  if (request === null) {
    if (record.kind === 'read') throw new AccessReceiptRefusedError('request');
    return;
  }
  const asked = askedIn(request);
  if (asked === null || !isReadSignedBy(asked, record.reader)) throw new AccessReceiptRefusedError('request');
  const isWithin =
    record.kind !== 'read' || (record.fromSeconds >= asked.fromSeconds && record.untilSeconds <= asked.untilSeconds);
  if (asked.grantId !== record.grantId || !isWithin) throw new AccessReceiptRefusedError('contradiction');
}

function askedIn(request: Uint8Array): ReturnType<typeof decodeReadRequest> | null {
  try {
    return decodeReadRequest(request);
  } catch {
    return null;
  }
}
