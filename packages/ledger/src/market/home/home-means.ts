import type { Clock, Logger, Meter, Random, WaitOptions } from '@pulsemesh/base';
import type { Author, Board, KeyDirectory } from '@pulsemesh/board';
import type { Box } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import type { ConsentDomain } from '../../contract/typed-data.ts';
import type { GrantLedger } from '../../grants/grant-ledger.ts';
import type { Hex } from '../../offer/offer.ts';
import type { SignatureVerifiers } from '../../offer/verify-signature.ts';
import type { Desk } from '../desk/desk.ts';
import type { Errands } from '../desk/errands.ts';
import type { MarketEvents } from '../market-events.ts';
import type { HomePatients, HomePolicy, NoticeSink } from '../offices.ts';
import type { Post } from '../post.ts';
import type { Currency } from '../view-parts.ts';
import type { HomeRows } from './home-rows.ts';

/** Who keeps envelopes and records for this home's grants, the first one named in offers as the one that may deliver on the ledger. */
export interface CustodianContact {
  readonly peer: PeerId;
  /** Its account on the ledger. */
  readonly account: Hex;
  /** C2SP note key of its access log. */
  readonly logKey: string;
}

/** Asks a custodian for its public log, from a leaf on: its newest head, and as many leaves as fit an answer. Whatever fails is tried again. */
export type ReadPublicLog = (
  peer: PeerId,
  from: number,
  options: WaitOptions,
) => Promise<{ readonly checkpoint: Uint8Array; readonly leaves: readonly Uint8Array[] }>;

/** What a home's office is made of. Neither post, ledger, store nor board are disposed with it. */
export interface HomeOfficeMeans {
  readonly post: Post<readonly TableChange[]>;
  readonly ledger: GrantLedger;
  /** The marks of the post belong into its commits. */
  readonly store: TableStore;
  /** Seals what is kept on the disk. */
  readonly box: Box;
  /** Signs for this home on the board. */
  readonly author: Author;
  readonly patients: HomePatients;
  readonly notices: NoticeSink;
  /** At least two. */
  readonly custodians: readonly CustodianContact[];
  readonly organisation: string;
  readonly policy: HomePolicy;
  /** EIP-712 domain of the ledger; on a board chain 0 and the zero address. */
  readonly domain: ConsentDomain;
  readonly currency: Currency;
  /** Where passkeys were made: WebAuthn's relying party and the origins of this home's page. */
  readonly passkeys: { readonly rpId: string; readonly origins: readonly string[] };
  /** Contracts of this ledger that check P-256 keys and passkeys as signers (ERC-7913). */
  readonly verifiers: SignatureVerifiers;
  /** Who goes by which name; null: nobody is known. */
  readonly keys: Pick<KeyDirectory, 'keyOf'> | null;
  /** Where the catalogue appears; null: nowhere. */
  readonly board: Board | null;
  /** What custodians show to all is compared with what they show to this home; null: only what they send is. */
  readonly readLog: ReadPublicLog | null;
}

export interface OfficeDependencies {
  readonly clock: Clock;
  /** Of salts, handles and envelopes: the system's. */
  readonly random: Random;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** What the parts of the office share. */
export interface HomeHouse {
  readonly means: HomeOfficeMeans;
  readonly desk: Desk<HomeRows>;
  readonly errands: Errands;
  readonly events: MarketEvents;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Tells pages that something of a patient changed. */
  changed(subject: string): void;
}
