import { Condition, errorCode, sleep } from '@pulsemesh/base';
import type { Board } from '@pulsemesh/board';
import type { PeerId } from '@pulsemesh/wire';
import type { AuditView, CustodianLogView, Hex, LeavesView, LiveEvent, ProfileView } from '../api/types.ts';
import { NotFoundError } from '../gateway/backend.ts';
import {
  type ConsentBackend,
  type HomeDesk,
  NotHereError,
  OfficeStartingError,
  type ResearchDesk,
} from '../gateway/consent-backend.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import type { AccessLogPart } from './access-log-service.ts';
import { AuditBook } from './audit-book.ts';
import { LedgerWatch, type NodeLedger } from './node-ledger.ts';

/** What a node's desk is made of. What opening takes may not be there yet: it is tried until it is. */
export interface ConsentParts {
  readonly kind: ProfileView['kind'];
  readonly organisation: string;
  readonly board: Board;
  readonly custodians: readonly { readonly peer: string; readonly account: Hex; readonly logKey: string }[];
  readonly openLedger: () => Promise<NodeLedger>;
  /** Null: no office of that kind. What it gives back is disposed with the desk. */
  readonly openHome: ((ledger: NodeLedger, onChange: (subject: string) => void) => Promise<OpenedHome>) | null;
  readonly openResearch: ((ledger: NodeLedger, onChange: () => void) => Promise<Opened<ResearchDesk>>) | null;
  readonly readLog: (peer: PeerId, from: number) => Promise<AccessLogPart>;
}

/** Patients with unanswered requests or alarms, beside the desk. */
export interface OpenedHome extends Opened<HomeDesk> {
  waiting(): ProfileView['waiting'];
}

export interface Opened<Desk> extends AsyncDisposable {
  readonly desk: Desk;
}

const pauseMsMin = 500;
const pauseMsMax = 10_000;

/** The consent of a node behind its HTTP API: opens ledger and office when they can be opened, and shows what is public. */
export class ConsentDesk implements ConsentBackend, AsyncDisposable {
  readonly #parts: ConsentParts;
  readonly #deps: NodeDependencies;
  readonly #handlers = new Set<(event: LiveEvent) => void>();
  readonly #stack = new AsyncDisposableStack();
  readonly #stopped = new AbortController();
  readonly #opening: Promise<void>;
  #ledger: { readonly node: NodeLedger; readonly watch: LedgerWatch; readonly book: AuditBook } | null = null;
  #home: OpenedHome | null = null;
  #research: ResearchDesk | null = null;
  #failure: unknown = null;

  constructor(parts: ConsentParts, deps: NodeDependencies) {
    this.#parts = parts;
    this.#deps = deps;
    this.#opening = this.#open();
  }

  profile(): ProfileView {
    const { kind, organisation } = this.#parts;
    const waiting = this.#home?.waiting() ?? [];
    return { kind, organisation, ledger: this.#ledger?.watch.view ?? null, waiting };
  }

  home(): HomeDesk {
    if (this.#parts.openHome === null) throw new NotHereError('home');
    if (this.#home === null) throw new OfficeStartingError(this.#failure);
    return this.#home.desk;
  }

  research(): ResearchDesk {
    if (this.#parts.openResearch === null) throw new NotHereError('research');
    if (this.#research === null) throw new OfficeStartingError(this.#failure);
    return this.#research;
  }

  async audit(): Promise<AuditView> {
    const custodians = await Promise.all(this.#parts.custodians.map((one) => this.#logOf(one)));
    return {
      ledger: this.#ledger?.watch.view ?? null,
      events: this.#ledger?.book.events() ?? [],
      anchors: this.#ledger?.book.anchors() ?? [],
      custodians,
    };
  }

  async leaves(peer: string, from: number): Promise<LeavesView> {
    const custodian = this.#parts.custodians.find((one) => one.peer === peer);
    if (custodian === undefined) throw new NotFoundError('custodian');
    const { checkpoint, leaves } = await this.#parts.readLog(peer as PeerId, from); // one of the settings
    return { from, leaves: leaves.map(toHexText), checkpoint: toBase64(checkpoint) };
  }

  async rpc(body: unknown): Promise<unknown> {
    if (this.#ledger === null) throw new OfficeStartingError(this.#failure);
    const { rpc } = this.#ledger.node;
    if (rpc === null) throw new NotHereError('chain');
    return rpc(body);
  }

  subscribe(handler: (event: LiveEvent) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new Condition('stopped', 'the node stops'));
    this.#handlers.clear();
    await this.#opening;
    this.#home = null;
    this.#research = null;
    this.#ledger = null;
    await this.#stack.disposeAsync();
  }

  async #open(): Promise<void> {
    const { openLedger, openHome, openResearch, board, custodians } = this.#parts;
    const node = await this.#untilOpen('ledger', openLedger);
    if (node === null) return;
    const watch = this.#stack.use(new LedgerWatch(node, (head) => this.#emit({ type: 'ledger', head }), this.#deps));
    const parts = { ledger: node.ledger, board, custodians };
    const tell = () => this.#emit({ type: 'ledger', head: watch.view.head });
    const book = this.#stack.use(new AuditBook(parts, tell, this.#deps));
    this.#ledger = { node, watch, book };
    if (openHome !== null) {
      const onChange = (subject: string) => this.#emit({ type: 'consent', subject });
      this.#home = await this.#untilOpen('home', () => openHome(node, onChange));
    }
    if (openResearch !== null) {
      const onChange = () => this.#emit({ type: 'consent', subject: null });
      this.#research = (await this.#untilOpen('research', () => openResearch(node, onChange)))?.desk ?? null;
    }
    this.#emit({ type: 'consent', subject: null });
  }

  /** Null where the desk was closed before. */
  async #untilOpen<T extends AsyncDisposable>(what: string, open: () => Promise<T>): Promise<T | null> {
    const { clock, logger } = this.#deps;
    const { signal } = this.#stopped;
    let told = '';
    for (let pauseMs = pauseMsMin; !signal.aborted; pauseMs = Math.min(pauseMs * 2, pauseMsMax)) {
      try {
        const opened = this.#stack.use(await open());
        this.#failure = null;
        logger.info('open', { what });
        return opened;
      } catch (error) {
        this.#failure = error;
        // Once for each reason: a ledger may take a while to be set up.
        if (told !== errorCode(error)) logger.warn('cannot be opened yet', { what, code: errorCode(error) });
        told = errorCode(error);
      }
      await sleep(clock, pauseMs, { signal }).catch(() => {});
    }
    return null;
  }

  async #logOf(custodian: ConsentParts['custodians'][number]): Promise<CustodianLogView> {
    const { peer, logKey, account } = custodian;
    const shown = { peer, logKey, account: this.#ledger?.node.kind === 'board' ? null : account };
    try {
      const { checkpoint } = await this.#parts.readLog(peer as PeerId, Number.MAX_SAFE_INTEGER);
      return { ...shown, checkpoint: toBase64(checkpoint), size: sizeOf(checkpoint) };
    } catch {
      return { ...shown, checkpoint: null, size: 0 }; // away: the page says so
    }
  }

  #emit(event: LiveEvent): void {
    for (const handler of this.#handlers) handler(event);
  }
}

/** The second line of a checkpoint is the log's size (C2SP tlog-checkpoint). */
function sizeOf(checkpoint: Uint8Array): number {
  const size = Number(new TextDecoder().decode(checkpoint).split('\n')[1]);
  return Number.isSafeInteger(size) && size >= 0 ? size : 0;
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function toHexText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
