import { join } from 'node:path';
import type { Evidence } from '@pulsemesh/board';
import {
  boardHttpPrefix,
  createWitnessHttp,
  type PullWitness,
  startPullWitness,
  Witness,
} from '@pulsemesh/board/server';
import { formatVerifierKey, parseVerifierKey } from '@pulsemesh/board/verify';
import { sha256 } from '@pulsemesh/crypto';
import type { Identity } from '@pulsemesh/identity';
import { openLmdbTables } from '@pulsemesh/store';
import { toHex } from '@pulsemesh/wire';
import type { WitnessSettings } from '../config/board-settings.ts';
import { boardFetch } from '../learning/board-fetch.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import type { AgentNetwork } from '../relay/agent.ts';
import { witnessNameOf } from './names.ts';
import { startWebServer } from './web-server.ts';

export interface WitnessServiceOptions extends WitnessSettings {
  readonly dataDirectory: string;
  /** The way out of the building. */
  readonly network?: AgentNetwork;
}

/** A witness that runs. */
export interface WitnessService extends AsyncDisposable {
  /** Its verifier key, which boards and policies name. */
  readonly key: string;
  /** Where boards reach it; null where it asks them. */
  readonly url: string | null;
  readonly port: number | null;
  /** Called with what shows that a board lied. */
  onEvidence(handler: (evidence: Evidence, boardKey: string) => void): void;
}

/** Starts witnessing: by asking each board, or, with `listen`, by being asked. */
export async function startWitnessService(
  options: WitnessServiceOptions,
  identity: Identity,
  deps: NodeDependencies,
): Promise<WitnessService> {
  const name = witnessNameOf(identity.peerId, options.name);
  const boards = options.boards.map(({ key, url }) => ({ verifier: parseVerifierKey(key), key, url }));
  const folder = (part: string) => join(options.dataDirectory, 'witness', part);
  await using stack = new AsyncDisposableStack();
  if (options.listen !== undefined) {
    const store = stack.use(await openLmdbTables({ directory: folder('asked') }));
    const logs = boards.map(({ verifier }) => verifier);
    const witness = new Witness({ name, key: identity, logs }, { ...deps, store });
    const server = stack.use(await startWebServer(options.listen, createWitnessHttp(witness, deps), deps));
    const rest = stack.move();
    return {
      key: formatVerifierKey(witness.verifier),
      url: `${server.url}${boardHttpPrefix}`,
      port: server.port,
      onEvidence: () => {},
      [Symbol.asyncDispose]: () => rest.disposeAsync(),
    };
  }
  const fetch = boardFetch(options.network ?? {}, deps, stack);
  const pulling: (PullWitness & { readonly boardKey: string })[] = [];
  for (const { verifier, key, url } of boards) {
    // A directory each: one of them may be on another machine's disk one day.
    const directory = folder(toHex(sha256(new TextEncoder().encode(verifier.name))).slice(0, 32));
    const store = stack.use(await openLmdbTables({ directory }));
    const witness = await startPullWitness({ name, key: identity, board: verifier, url, store }, { ...deps, fetch });
    pulling.push({ ...stack.use(witness), boardKey: key });
  }
  const [first] = pulling;
  if (first === undefined) throw new TypeError('a witness of nothing'); // the schema refuses it
  const rest = stack.move();
  return {
    key: formatVerifierKey(first.verifier),
    url: null,
    port: null,
    onEvidence(handler) {
      for (const { client, boardKey } of pulling) client.onEvidence((evidence) => handler(evidence, boardKey));
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}
