import { join } from 'node:path';
import {
  Admission,
  BoardGate,
  type BoardLog,
  boardHttpPrefix,
  CosignatureCollector,
  createBoardHttp,
  createCollectorRoutes,
  openBoardLog,
} from '@pulsemesh/board/server';
import { createNoteVerifier, formatVerifierKey, parseVerifierKey } from '@pulsemesh/board/verify';
import { type Identity, parseCard } from '@pulsemesh/identity';
import { lockDirectory, openJournaledTables, openLmdbTables, type StoreFailedError } from '@pulsemesh/store';
import { type PeerId, parsePeerId } from '@pulsemesh/wire';
import type { BoardServiceSettings } from '../config/board-settings.ts';
import { boardFetch } from '../learning/board-fetch.ts';
import { watchForFailure } from '../process/fail-stop.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import { originOf } from './names.ts';
import { startWebServer, type WebHandler } from './web-server.ts';

export interface BoardServiceOptions extends BoardServiceSettings {
  /** Where the log and the list of the admitted lie. */
  readonly dataDirectory: string;
}

/** A board that serves. */
export interface BoardService extends AsyncDisposable {
  /** Where its resources are, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Its verifier key, as policies name it. */
  readonly key: string;
  readonly log: BoardLog;
  /** Resolves when the disk failed: the process must stop. */
  readonly failed: Promise<StoreFailedError>;
}

/** Where a board's parts lie in its data directory. The log is one process's alone, the list also the operator's commands'. */
export const boardFolders = { log: 'board/log', admission: 'board/admission' } as const;

/**
 * Opens the board that lies in the data directory, or begins it, and serves it on a port of its own below `/board`, with `/health`, and
 * `/metrics` for who asks from this machine.
 * @throws {LogDamagedError}; {StoreInUseError} where another process runs it; {ConfigError}; what the operating system says of the port.
 */
export async function startBoardService(
  options: BoardServiceOptions,
  identity: Identity,
  deps: NodeDependencies,
): Promise<BoardService> {
  await using stack = new AsyncDisposableStack();
  const failure = Promise.withResolvers<StoreFailedError>();
  const { store, admissionStore } = await openStores(options.dataDirectory, stack, {
    ...deps,
    onFailed: failure.resolve,
  });
  const origin = originOf(identity.peerId, options.origin);
  const log = stack.use(await openBoardLog({ store, signer: identity, origin }, deps));
  const { entriesPerDay, bytesPerDay } = options;
  const quota = { entriesMax: entriesPerDay ?? 2_000, bytesMax: bytesPerDay ?? 16 * 1024 * 1024 };
  const admission = new Admission(
    {
      store: admissionStore,
      quota,
      isAdmitted: (author) => options.open === true || options.admitted.includes(author),
    },
    deps,
  );
  const authorities = options.authorities.map(parsePeerId);
  const gate = new BoardGate({ log, admission, store: admissionStore, authorities, cardHolder });
  const witnesses = options.witnesses.map(({ key, url }) => ({ verifier: parseVerifierKey(key), url: url ?? null }));
  const wanted = options.cosignatures === undefined ? {} : { wanted: options.cosignatures };
  const fetch = boardFetch({}, deps, stack);
  const collector = stack.use(
    new CosignatureCollector({ log, witnesses, store: admissionStore, ...wanted }, { ...deps, fetch }),
  );
  const answer = createBoardHttp(
    {
      log,
      shown: () => collector.shown,
      admit: (leaf, _source, waiting) => gate.add(leaf, waiting),
      routes: createCollectorRoutes(collector),
    },
    deps,
  );
  stack.use(measureLog(log, deps));
  const server = stack.use(await startWebServer(options, withHealth(answer, log, deps), deps));
  const rest = stack.move();
  return {
    url: `${server.url}${boardHttpPrefix}`,
    port: server.port,
    key: formatVerifierKey(createNoteVerifier(origin, identity.publicKey, 'ed25519')),
    log,
    failed: failure.promise,
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

/** Whose contact card these bytes are; null where they are none. */
export function cardHolder(card: Uint8Array): PeerId | null {
  try {
    return parseCard(card).peerId;
  } catch {
    return null; // whatever is wrong with it, it is nobody's
  }
}

async function openStores(
  dataDirectory: string,
  stack: AsyncDisposableStack,
  { onFailed, ...deps }: NodeDependencies & { readonly onFailed: (error: StoreFailedError) => void },
) {
  const at = (...folders: readonly string[]) => join(dataDirectory, ...folders);
  stack.use(lockDirectory(at(boardFolders.log)));
  // The log's places are found by hash, all over a tree's pages: the journal writes them in order and sorts them in later.
  const places = { directory: at(boardFolders.log, 'tables'), journalDirectory: at(boardFolders.log, 'journal') };
  const store = stack.use(await openJournaledTables(places, deps));
  const admissionStore = stack.use(await openLmdbTables({ directory: at(boardFolders.admission) }));
  return { store: watchForFailure(store, onFailed), admissionStore: watchForFailure(admissionStore, onFailed) };
}

function measureLog(log: BoardLog, { meter }: NodeDependencies): Disposable {
  const entries = meter.gauge('board_entries', 'Entries of the board under a signed checkpoint');
  entries.set(log.checkpoint.size);
  return log.onCheckpoint(({ size }) => entries.set(size));
}

/** `/health` for load balancers, `/metrics` for this machine. */
function withHealth(answer: WebHandler, log: BoardLog, deps: NodeDependencies): WebHandler {
  return async (request, source) => {
    const { pathname } = new URL(request.url);
    if (pathname === '/health') return Response.json({ status: 'up', entries: log.checkpoint.size });
    if (pathname === '/metrics' && isLoopback(source)) {
      return new Response(await deps.meter.text(), { headers: { 'content-type': 'text/plain; version=0.0.4' } });
    }
    return answer(request, source);
  };
}

function isLoopback(source: string): boolean {
  return source === '::1' || /^(::ffff:)?127\./.test(source);
}
