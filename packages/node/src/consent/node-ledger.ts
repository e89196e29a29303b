import { type Clock, errorCode, type Logger, startTicker } from '@pulsemesh/base';
import type { ConsentDomain, GrantLedger, LedgerStatus, SignatureVerifiers } from '@pulsemesh/ledger';
import type { Hex, LedgerView } from '../api/types.ts';

/** The ledger of a node, with what its settings say of it. */
export interface NodeLedger extends AsyncDisposable {
  readonly ledger: GrantLedger;
  /** What signatures are for; on a board 0 and the zero address. */
  readonly domain: ConsentDomain;
  /** Contracts that check P-256 keys and passkeys as signers (ERC-7913). */
  readonly verifiers: SignatureVerifiers;
  /** The node's own account on it; null: it has none. */
  readonly account: Hex | null;
  readonly kind: 'embedded' | 'rpc' | 'board';
  readonly symbol: string;
  readonly decimals: number;
  readonly headAgeMsMax: number;
  /** What the node's account may spend today of the ledger's own coin, whole units; null: there is no limit to tell. */
  readonly leftToSpend: () => bigint | null;
  /** JSON-RPC by an allow-list; null where there is no chain. */
  readonly rpc: ((body: unknown) => Promise<unknown>) | null;
}

const lookMs = 2_000;

/** What a ledger is worth, in words for people. */
export function wordsOf(kind: LedgerView['kind'], sealers: number): string {
  switch (kind) {
    case 'none':
      return 'There is no ledger.';
    case 'board':
      return 'No chain and no payment: grants stand on a public board that witnesses cosign. It can leave out, but not change or remove unseen.';
    case 'embedded':
      return 'One sealer: this is a signed log with rules. Whoever runs it can stop it or keep entries out, but cannot change or remove what it has sealed without that showing.';
    case 'rpc':
      return sealers <= 1
        ? 'One sealer is known of this chain: take it for a signed log with rules, unless its operator shows that others seal too.'
        : `A chain that ${sealers} sealers keep: no one of them alone can change what is final.`;
  }
}

/** Looks at the ledger again and again, for people and pages. Dispose to stop. */
export class LedgerWatch implements Disposable {
  readonly #node: NodeLedger;
  readonly #stack = new DisposableStack();
  readonly #onHead: (head: string) => void;
  #view: LedgerView;
  #isLooking = false;

  constructor(
    node: NodeLedger,
    onHead: (head: string) => void,
    { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#node = node;
    this.#onHead = onHead;
    this.#view = unknownLedger(node);
    const ticker = startTicker(
      clock,
      lookMs,
      () => this.look(),
      (error) => logger.debug('a look at the ledger failed', { code: errorCode(error) }),
    );
    this.#stack.defer(() => ticker.stop());
    void this.look();
  }

  get view(): LedgerView {
    return this.#view;
  }

  /** Never throws: that the ledger is away is a state of it. */
  async look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      this.#show(viewOf(await this.#node.ledger.status(), this.#node));
    } catch (error) {
      const code = errorCode(error);
      const state = code === 'ledger-stale' ? 'stale' : code === 'ledger-wrong' ? 'wrong' : 'away';
      this.#show({ ...this.#view, state });
    } finally {
      this.#isLooking = false;
    }
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }

  #show(view: LedgerView): void {
    const isNews = view.head !== this.#view.head || view.state !== this.#view.state;
    this.#view = view;
    if (isNews) this.#onHead(view.head);
  }
}

function viewOf(status: LedgerStatus, node: NodeLedger): LedgerView {
  return {
    kind: status.kind,
    chainId: status.chainId,
    contract: status.contract,
    head: status.head.toString(),
    finalized: status.finalized.toString(),
    headAgeMs: status.headAgeMs,
    sealers: status.sealers,
    codeHash: status.codeHash,
    state: status.headAgeMs > node.headAgeMsMax ? 'stale' : 'up',
    words: wordsOf(status.kind, status.sealers.length),
    symbol: node.symbol,
    decimals: node.decimals,
  };
}

function unknownLedger({ domain, kind, symbol, decimals }: NodeLedger): LedgerView {
  return {
    kind,
    chainId: domain.chainId,
    contract: kind === 'board' ? null : domain.verifyingContract,
    head: '0',
    finalized: '0',
    headAgeMs: 0,
    sealers: [],
    codeHash: null,
    state: 'away',
    words: wordsOf(kind, 1),
    symbol,
    decimals,
  };
}
