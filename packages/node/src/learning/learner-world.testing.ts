import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrometheusMeter, createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import type { BoardPlace } from '@pulsemesh/board/client';
import { type Identity, loadOrCreateIdentity } from '@pulsemesh/identity';
import { startLink } from '@pulsemesh/link';
import type { PeerId } from '@pulsemesh/wire';
import { startRelayService } from '../relay/relay-service.ts';
import { type Learner, startLearner } from './learner.ts';

/** A real relay and learners around it, in folders of their own, for tests. Disposing ends and removes all of it. */
export class LearnerWorld implements AsyncDisposable {
  readonly deps = {
    clock: createSystemClock({ unref: true }),
    random: createSystemRandom(),
    logger: silentLogger,
    meter: createPrometheusMeter(),
  };
  readonly stack = new AsyncDisposableStack();

  directory(name: string): string {
    const made = mkdtempSync(join(tmpdir(), `pulsemesh-${name}-`));
    this.stack.defer(() => rmSync(made, { recursive: true, force: true, maxRetries: 5 }));
    return made;
  }

  identityIn(place: string): Promise<Identity> {
    return loadOrCreateIdentity(
      { file: join(place, 'identity.json'), keyFile: join(place, 'identity.key') },
      this.deps,
    );
  }

  async startRelay(): Promise<{ readonly url: string; readonly peerId: PeerId }> {
    const place = this.directory('relay');
    const identity = await this.identityIn(place);
    const settings = { host: '127.0.0.1', port: 0, dataDirectory: place };
    const { url } = this.stack.use(await startRelayService(settings, identity, this.deps));
    return { url, peerId: identity.peerId };
  }

  async startLearner(
    organisation: string,
    { relay, board }: { readonly relay: { readonly url: string; readonly peerId: PeerId }; readonly board: BoardPlace },
  ): Promise<Learner> {
    const dataDirectory = this.directory(organisation);
    const identity = await this.identityIn(dataDirectory);
    const network = { proxy: { kind: 'none' } } as const;
    const link = this.stack.use(
      startLink({ url: relay.url, server: relay.peerId, identity, software: 'test', ...network }, this.deps),
    );
    const options = { dataDirectory, organisation, identity, relay, link, board, network };
    return this.stack.use(await startLearner(options, this.deps));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stack.disposeAsync();
  }
}
