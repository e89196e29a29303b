import type { Clock, Logger, Random } from '@pulsemesh/base';
import type { Author, Board, KeyDirectory } from '@pulsemesh/board';
import type { Box } from '@pulsemesh/crypto';
import type { TableChange, TableStore } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import type { ConsentDomain } from '../../contract/typed-data.ts';
import type { GrantLedger } from '../../grants/grant-ledger.ts';
import type { LedgerSigner } from '../../offer/signing.ts';
import type { SignatureVerifiers } from '../../offer/verify-signature.ts';
import type { Desk } from '../desk/desk.ts';
import type { Errands } from '../desk/errands.ts';
import type { MarketEvents } from '../market-events.ts';
import type { Post } from '../post.ts';
import type { Currency } from '../view-parts.ts';
import type { ResearchRows } from './research-rows.ts';

/** What a researcher's office is made of. Neither post, ledger, store nor board are disposed with it. */
export interface ResearchOfficeMeans {
  readonly post: Post<readonly TableChange[]>;
  readonly ledger: GrantLedger;
  /** The marks of the post belong into its commits. */
  readonly store: TableStore;
  /** Seals what is kept on the disk. */
  readonly box: Box;
  /** The key behind `post.self`: signs reads and bindings. */
  readonly author: Author;
  readonly organisation: string;
  /** Where catalogues appear; null: there are none. */
  readonly board: Board | null;
  /** EIP-712 domain of the ledger; on a board chain 0 and the zero address. */
  readonly domain: ConsentDomain;
  readonly currency: Currency;
  /** Contracts of this ledger that check P-256 keys and passkeys as signers (ERC-7913). */
  readonly verifiers: SignatureVerifiers;
  /** The account that buys and signs receipts by itself, the one of the ledger's signer; null: browser wallets do. */
  readonly signer: LedgerSigner | null;
  /** What the signer may still spend, in whole units; null: there is no limit to tell. */
  readonly leftToSpend?: () => bigint | null;
  /** Log keys of custodians, to check what they say they wrote down; of others only what a receipt says is compared. */
  readonly custodians: readonly { readonly peer: PeerId; readonly logKey: string }[];
  /** Who goes by which name; null: nobody is known. */
  readonly keys: Pick<KeyDirectory, 'keyOf'> | null;
}

/** What the parts of the office share. */
export interface ResearchHouse {
  readonly means: ResearchOfficeMeans;
  readonly desk: Desk<ResearchRows>;
  readonly errands: Errands;
  readonly events: MarketEvents;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  changed(): void;
}
