/** Bytes as the ledger's tools write them: `0x` and lower-case hex. */
export type Hex = `0x${string}`;

/**
 * What a patient agrees to, as the contract reads it (EIP-712 `Offer`). Its digest is the grant's id. Amounts are whole units of
 * the token (wei); times are whole seconds since 1970.
 */
export interface Offer {
  /** ERC-7913 signer: 20 bytes are an account or a contract account; longer ones a verifier's address and a key. Fresh for each grant. */
  readonly patient: Hex;
  /** Who is credited: the signer's own purse (`purseOf`), or an account. */
  readonly payee: Hex;
  readonly buyer: Hex;
  /** Account of the first custodian: the one that may deliver on chain. */
  readonly custodian: Hex;
  readonly arbiter: Hex;
  /** Zero address: the chain's own coin. */
  readonly token: Hex;
  /** Compensation; 0 is the default. Less than 2^96. */
  readonly price: bigint;
  /** After it the offer can no longer be bought. */
  readonly validUntil: number;
  /** Seconds after the purchase until which the key must have been handed over; then the buyer is refunded. */
  readonly deliverWithin: number;
  /** Seconds after the delivery during which reads are served. */
  readonly accessFor: number;
  /** SHA-256 of salt ‖ canonical FHIR Consent: 32 bytes. The salt stays off the ledger and is destroyed on erasure. */
  readonly terms: Hex;
  /** 32 random bytes: no two grants look alike. */
  readonly nonce: Hex;
}

/** An offer with its patient's yes. */
export interface SignedOffer {
  readonly offer: Offer;
  /** EIP-712 digest, 32 bytes: names the grant everywhere. */
  readonly grantId: Hex;
  /** As the contract takes it: 65 bytes of an account, or what the signer's verifier expects. */
  readonly signature: Hex;
}
