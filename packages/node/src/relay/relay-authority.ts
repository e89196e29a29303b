import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startTicker } from '@pulsemesh/base';
import {
  type AuthorityFolder,
  AuthorityRefusedError,
  authorityFileNames,
  authorityHttpPrefix,
  authorityMethods,
  createAdmission,
  createAuthorityHttp,
  createAuthorityService,
  openAuthorityFolder,
  readAuthoritySettings,
} from '@pulsemesh/identity/authority';
import type { LinkSession, SessionServerOptions } from '@pulsemesh/link';
import type { HttpHandlers } from '@pulsemesh/link/server';
import type { RelayServer } from '@pulsemesh/relay';
import { type PeerId, toHex } from '@pulsemesh/wire';
import { loadOrCreateToken } from '../gateway/bearer-token.ts';
import type { NodeDependencies } from '../process/node-context.ts';
import { RevokedError, watchStanding } from './standing.ts';

/** Where a relay's identity authority lies in its data directory. */
export const authorityFolderName = 'authority';

const doorPeriodMs = 60_000;

/** The authority that a relay serves beside its mailboxes. */
export interface RelayAuthority extends AsyncDisposable {
  readonly admit: NonNullable<SessionServerOptions['admit']>;
  readonly http: HttpHandlers;
  /** Serves its methods on each session, ends those of who is revoked, and says where it is to commands on this machine. */
  serveOn(server: RelayServer): void;
}

/**
 * Opens the authority of a relay, or gives null where `pulsemesh authority init` made none.
 * @throws {AuthorityFolderError}; what identities and stores throw.
 */
export async function openRelayAuthority(
  options: { readonly dataDirectory: string; readonly allow?: readonly string[]; readonly relay: PeerId },
  deps: NodeDependencies,
): Promise<RelayAuthority | null> {
  const directory = join(options.dataDirectory, authorityFolderName);
  if ((await readAuthoritySettings(directory)) === null) return null;
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await openAuthorityFolder({ directory }, deps));
  const { authority, store } = folder;
  const service = createAuthorityService(authority, deps);
  // A new one each time: what another program heard on the port of a relay that had died opens nothing. Nobody else wrote the
  // one before: the folder is this process's alone.
  const tokenFile = join(directory, authorityFileNames.operatorToken);
  rmSync(tokenFile, { force: true });
  const operatorToken = loadOrCreateToken(tokenFile, deps.random);
  const answer = createAuthorityHttp({ service, authority, operatorToken });
  const allowed = new Set(options.allow);
  const admit = createAdmission(
    {
      roots: () => [authority.root],
      revocations: () => authority.revocations,
      isRevoked: (peer) => authority.isRevoked(peer),
      relay: options.relay,
      store,
      allowed,
    },
    deps,
  );
  const rest = stack.move();
  return {
    admit,
    http: { [authorityHttpPrefix]: (request, { remoteAddress }) => answer(request, `address ${remoteAddress}`) },
    serveOn(server) {
      server.sessions.onSession((session) => serveMethods(session, service));
      rest.use(endRevoked(folder, server));
      rest.use(watchStanding({ authority, sessions: server.sessions, allowed }, deps));
      rest.use(showDoor(directory, server, deps));
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

function serveMethods(session: LinkSession, service: ReturnType<typeof createAuthorityService>): void {
  for (const method of authorityMethods) {
    session.serve(
      method,
      async (stream) => {
        const message = await stream.receive();
        if (message === null) return stream.end();
        try {
          await stream.send(await service.handle(method, message, `peer ${session.remote.peerId}`));
          stream.end();
        } catch (error) {
          // A refusal is an answer, not a fault of ours to be logged.
          if (!(error instanceof AuthorityRefusedError)) throw error;
          stream.abort(error);
        }
      },
      { isOpenToGuests: true },
    );
  }
}

function endRevoked({ authority }: AuthorityFolder, server: RelayServer): Disposable {
  return authority.onRevoked(({ peer }) => void server.relay.endAgent(peer, new RevokedError()));
}

/** Where the running authority answers, with the certificate to expect there: a command is not led astray by another program on the port. */
export interface AuthorityDoor {
  readonly url: string;
  /** SHA-256 of the certificate, hex; null: plaintext. */
  readonly certificateSha256: string | null;
}

function showDoor(directory: string, server: RelayServer, deps: NodeDependencies): Disposable {
  const file = join(directory, authorityFileNames.door);
  let shown = '';
  const show = () => {
    const certificate = server.link.certificateSha256();
    const door: AuthorityDoor = {
      url: server.url,
      certificateSha256: certificate === null ? null : toHex(certificate),
    };
    const text = `${JSON.stringify(door)}\n`;
    if (text !== shown) writeFileSync(file, text, { mode: 0o600 });
    shown = text;
  };
  show();
  // The certificate can be renewed while the relay runs.
  const ticker = startTicker(deps.clock, doorPeriodMs, show, () => deps.logger.warn('the door file was not written'));
  return {
    [Symbol.dispose]() {
      ticker.stop();
      rmSync(file, { force: true });
    },
  };
}
