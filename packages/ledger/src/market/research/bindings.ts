import { bindingDigestOf, bindingTypedData, createBinding, verifyBinding } from '../../offer/binding.ts';
import type { Hex } from '../../offer/offer.ts';
import { NotKnownError, OfficeFullError, SignatureRefusedError } from '../errors.ts';
import type { AccountBinding } from '../messages.ts';
import { researchLimits } from './research-limits.ts';
import type { ResearchHouse } from './research-means.ts';

/** Accounts that pay in this office's name: bound to its peer by both signatures. */
export class Bindings {
  readonly #house: ResearchHouse;
  /** What a wallet was asked to sign, until it did or another account is asked. */
  readonly #asked = new Map<Hex, { readonly issuedMs: number; readonly expiresMs: number }>();

  constructor(house: ResearchHouse) {
    this.#house = house;
  }

  get accounts(): readonly Hex[] {
    const nowMs = this.#house.clock.now();
    const live = [...this.#house.desk.all('account').values()].filter(({ expiresMs }) => expiresMs > nowMs);
    return live.map(({ account }) => account);
  }

  /** What the account is asked to sign (EIP-712 JSON). */
  typedDataFor(account: Hex): string {
    const nowMs = this.#house.clock.now();
    const times = { issuedMs: nowMs, expiresMs: nowMs + researchLimits.bindingForMs };
    this.#asked.delete(account);
    this.#asked.set(account, times);
    const [oldest] = this.#asked.keys();
    if (this.#asked.size > researchLimits.accountsMax && oldest !== undefined) this.#asked.delete(oldest);
    return bindingTypedData({ peer: this.#house.means.post.self, account, ...times });
  }

  async bind(account: Hex, signature: Hex): Promise<void> {
    const times = this.#asked.get(account);
    if (times === undefined) throw new NotKnownError('account');
    await this.#keep({ peer: this.#house.means.post.self, account, ...times }, signature);
    this.#asked.delete(account);
  }

  /** A binding that will still be good when an offer is made. @throws {NotKnownError} where the account is not bound. */
  async bindingOf(account: Hex): Promise<AccountBinding> {
    const { desk, clock, means } = this.#house;
    const known = desk.get('account', account);
    const isOwn = means.signer?.signer === account;
    const neededMs = clock.now() + (isOwn ? researchLimits.bindingRenewMs : 0);
    if (known !== undefined && known.expiresMs > neededMs) return known;
    if (!isOwn || means.signer === null) throw new NotKnownError('account');
    const nowMs = clock.now();
    const statement = {
      peer: means.post.self,
      account,
      issuedMs: nowMs,
      expiresMs: nowMs + researchLimits.bindingForMs,
    };
    return this.#keep(statement, await means.signer.sign(bindingDigestOf(statement)));
  }

  async #keep(
    statement: Pick<AccountBinding, 'peer' | 'account' | 'issuedMs' | 'expiresMs'>,
    signature: Hex,
  ): Promise<AccountBinding> {
    const { desk, clock, means } = this.#house;
    const binding = createBinding(statement, signature, means.author);
    if ((await verifyBinding(binding, { nowMs: clock.now() })) !== 'valid') {
      throw new SignatureRefusedError('of the account');
    }
    await desk.transact((change) => {
      if (
        change.get('account', statement.account) === undefined &&
        desk.all('account').size >= researchLimits.accountsMax
      )
        throw new OfficeFullError('accountsMax');
      change.put('account', statement.account, { ...binding });
    });
    this.#house.changed();
    return binding;
  }
}
