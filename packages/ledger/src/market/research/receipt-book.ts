import type { PeerId } from '@pulsemesh/wire';
import type { AccessReceipt } from '../../access/access-types.ts';
import { AccessReceiptRefusedError } from '../../access/errors.ts';
import { encodeAccessReceipt } from '../../access/receipt-codec.ts';
import { verifyAccessReceipt } from '../../access/verify-receipt.ts';
import type { Change } from '../desk/desk.ts';
import { offerOf } from '../kept-messages.ts';
import { researchLimits } from './research-limits.ts';
import type { ResearchHouse } from './research-means.ts';
import type { ResearchRows } from './research-rows.ts';

/** Receipts of this office's own accesses: what proves that it was allowed. */
export class ReceiptBook {
  readonly #house: ResearchHouse;
  readonly #logKeys: ReadonlyMap<PeerId, string>;

  constructor(house: ResearchHouse) {
    this.#house = house;
    this.#logKeys = new Map(house.means.custodians.map(({ peer, logKey }) => [peer, logKey]));
  }

  /** True where it shows what it says, as far as this office knows the custodian's log. */
  isTrue(custodian: PeerId, receipt: AccessReceipt): boolean {
    const logKey = this.#logKeys.get(custodian);
    if (receipt.record.reader !== this.#house.means.post.self) return false;
    if (logKey === undefined) return true;
    try {
      return verifyAccessReceipt(receipt, { logKey }).custodian === custodian;
    } catch (error) {
      if (error instanceof AccessReceiptRefusedError) return false;
      throw error;
    }
  }

  /** Keeps a receipt that holds, once, with the grant it is of. */
  keep(change: Change<ResearchRows>, custodian: PeerId, receipt: AccessReceipt): void {
    const { events } = this.#house;
    const { grantId, kind, atMs } = receipt.record;
    const grant = change.get('grant', grantId);
    const isOurs = grant !== undefined && offerOf(grant).custodians.includes(custodian);
    if (!isOurs || !this.isTrue(custodian, receipt)) {
      events.refused(isOurs ? 'signature' : 'unknown');
      return;
    }
    const accessId = `${grantId}/${custodian}/${receipt.index}`;
    if (change.get('access', accessId) !== undefined || grant.accesses >= researchLimits.accessesPerGrantMax) return;
    change.put('access', accessId, { custodian, receipt: encodeAccessReceipt(receipt), atMs });
    if (kind === 'read') change.put('grant', grantId, { ...grant, accesses: grant.accesses + 1 });
  }
}
