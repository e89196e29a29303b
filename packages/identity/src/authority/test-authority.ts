import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createMemoryTables, type TableStore } from '@pulsemesh/store';
import { type Identity, identityOfSeed } from '../identity.ts';
import { Authority } from './authority.ts';
import { createRoot, type Issuer, openIssuer } from './issuer.ts';
import { signEnrolRequest, signRenewRequest } from './messages.ts';

/** An authority in memory under a virtual clock, for tests. */
export interface TestAuthority {
  readonly clock: VirtualClock;
  readonly deps: {
    readonly clock: VirtualClock;
    readonly random: ReturnType<typeof createSeededRandom>;
    readonly logger: typeof silentLogger;
    readonly meter: typeof silentMeter;
  };
  readonly store: TableStore;
  readonly issuer: Issuer;
  readonly authority: Authority;
  /** A signed request of this key, of now. */
  enrolStatement(identity: Identity, wish?: Partial<Parameters<typeof signEnrolRequest>[1]>): Uint8Array;
  renewStatement(identity: Identity): Uint8Array;
}

/** The key of number `n`. */
export function testKey(n: number): Identity {
  return identityOfSeed(new Uint8Array(32).fill(n));
}

export async function createTestAuthority(store: TableStore = createMemoryTables()): Promise<TestAuthority> {
  const clock = new VirtualClock();
  const deps = { clock, random: createSeededRandom(7), logger: silentLogger, meter: silentMeter };
  const names = { dns: ['localhost'], ip: ['127.0.0.1'] };
  const root = await createRoot(testKey(200), { organisation: 'St. Mary', names }, deps);
  const issuer = await openIssuer(testKey(200), root, deps);
  const authority = new Authority({ store, issuer }, deps);
  const facts = () => ({
    authority: authority.fingerprint,
    nonce: deps.random.bytes(16),
    createdMs: clock.now(),
  });
  return {
    clock,
    deps,
    store,
    issuer,
    authority,
    enrolStatement: (identity, wish) =>
      signEnrolRequest(identity, { organisation: null, role: null, ...facts(), ...wish }),
    renewStatement: (identity) => signRenewRequest(identity, facts()),
  };
}
